//! `checkpoint`: a signed statement of the size and root of the log, to be kept elsewhere.
//! Does not know how it is signed.

use std::io::{self, IsTerminal as _, Write as _};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::audit_args::AuditArgs;
use super::failure::Failure;
use super::output::grouped;
use super::target::Target;
use crate::event::to_hex;
use crate::proto;
use crate::rpc::wire::GetHeadRequest;

#[derive(Debug, Args)]
pub(super) struct CheckpointCommand {
    #[command(flatten)]
    target: Target,
    /// The smallest number of entries that it has to cover, such as a head that an append answered;
    /// 0 takes the newest that is signed, and without it everything is covered that is there now
    #[arg(long, value_name = "ENTRIES")]
    at_least: Option<u64>,
    /// Without it: a table on a terminal, the note itself where a file or a pipe takes it
    #[arg(long, value_enum)]
    output: Option<Form>,
    #[command(flatten)]
    audit: AuditArgs,
}

/// How a checkpoint is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For people
    Table,
    /// One JSON document, with the note in it
    Json,
    /// The signed note alone, byte for byte, as `verify` takes it
    Note,
}

impl CheckpointCommand {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut clients = self.target.audited(&self.audit).await?;
        let at_least = match self.at_least {
            Some(entries) => entries,
            None => clients.ledger.get_head(GetHeadRequest::default()).await?.into_inner().head,
        };
        let request = proto::GetCheckpointRequest { at_least };
        let mut client = clients.audit;
        let answer = client.get_checkpoint(request).await?.into_inner();
        let to_people = || if io::stdout().is_terminal() { Form::Table } else { Form::Note };
        write(&answer, self.output.unwrap_or_else(to_people))?;
        Ok(())
    }
}

fn write(answer: &proto::GetCheckpointResponse, form: Form) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let origin = answer.checkpoint.lines().next().unwrap_or_default();
    let root = to_hex(&answer.root_hash);
    match form {
        Form::Note => out.write_all(answer.checkpoint.as_bytes()),
        Form::Json => writeln!(
            out,
            "{}",
            json!({
                "origin": origin,
                "size": answer.tree_size,
                "root": root,
                "verifier_keys": answer.verifier_keys,
                "note": answer.checkpoint,
            })
        ),
        Form::Table => {
            writeln!(out, "size       {}", grouped(answer.tree_size))?;
            writeln!(out, "root       {root}")?;
            writeln!(out, "origin     {origin}")?;
            for key in &answer.verifier_keys {
                writeln!(out, "key        {key}")?;
            }
            writeln!(out, "to keep it: order-ledger checkpoint --output note > FILE")
        }
    }
}
