//! `key`: the keys that sign checkpoints, in the folder of a ledger. Does not know what is signed.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Exit, Failure};
use super::output::Output;
use super::target::DEFAULT_FOLDER;
use crate::audit::{TreeOrigin, VerifierKey, add_signing_key, signing_keys};

#[derive(Debug, Args)]
pub(super) struct KeyCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a further key; all keys of an origin sign together, so that auditors can change to it
    Add(Add),
    /// List the public halves of the keys, which auditors are given
    List(List),
}

/// The folder of a ledger.
#[derive(Debug, Args)]
struct Place {
    /// The folder of the ledger; it may be open elsewhere
    #[arg(long, value_name = "DIR", env = "ORDER_LEDGER_LEDGER", default_value = DEFAULT_FOLDER)]
    ledger: PathBuf,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
struct Add {
    #[command(flatten)]
    place: Place,
    /// For which origin, where the ledger has had several
    #[arg(long, value_name = "NAME", value_parser = TreeOrigin::parse)]
    origin: Option<TreeOrigin>,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    place: Place,
}

impl KeyCommand {
    pub(super) fn run(self) -> Result<(), Failure> {
        match self.action {
            Action::Add(add) => {
                add.place.check()?;
                let key = add_signing_key(&add.place.ledger, add.origin.as_ref());
                add.place.print(&[key?])?;
                eprintln!(
                    "it signs beside the others from the next start on: restart a server that \
                     has this ledger open (one with --signing-key takes those files alone)"
                );
            }
            Action::List(list) => {
                list.place.check()?;
                let keys = signing_keys(&list.place.ledger)?;
                if keys.is_empty() {
                    let what = "the ledger has no key yet; `order-ledger checkpoint` makes one";
                    return Err(Failure::new(Exit::NotFound, what));
                }
                list.place.print(&keys)?;
            }
        }
        Ok(())
    }
}

impl Place {
    fn check(&self) -> Result<(), Failure> {
        if self.ledger.join("format").exists() {
            return Ok(());
        }
        let message = format!("no ledger in {}", self.ledger.display());
        Err(Failure::new(Exit::NotFound, message))
    }

    fn print(&self, keys: &[VerifierKey]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let object = |key: &VerifierKey| json!({ "origin": key.name(), "key": key.to_string() });
        match self.output {
            Output::Table => keys.iter().try_for_each(|key| writeln!(out, "{key}")),
            Output::Json => {
                let keys: Vec<_> = keys.iter().map(object).collect();
                writeln!(out, "{}", json!({ "keys": keys }))
            }
            Output::Ndjson => keys.iter().try_for_each(|key| writeln!(out, "{}", object(key))),
        }
    }
}
