//! `verify bundle`, `consistency`, `sample` and `since`: checks of what others hold, with keys that
//! come from elsewhere. Fetches and prints; does not know how anything is proven.

mod bundle;
mod consistency;
mod sample;
mod since;
mod verdict;

use std::path::Path;

use clap::{Args, Subcommand};

use super::audit_args::AuditArgs;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::target::Target;
use crate::audit::{Checkpoint, ConsistencyProof, NoteDefect, VerifierKey};
use crate::proto;
use crate::rpc::{AuditClient, Clients, Code};
use verdict::Verdict;

#[derive(Debug, Subcommand)]
pub(super) enum Proof {
    /// Check files of evidence, without a server
    Bundle(bundle::Bundle),
    /// Check that the log of a newer checkpoint begins with that of an older one
    Consistency(consistency::Consistency),
    /// Check that random entries stand where the sealed histories of their orders have them
    Sample(sample::Sample),
    /// Check that nothing is gone or changed since a file of evidence was made
    Since(since::Since),
}

/// Who has to have signed, and how the verdict is told.
#[derive(Debug, Args)]
struct Trust {
    /// A public key, NAME+HASH+BASE64, or a file with keys, one a line; may be given again. It
    /// comes from whoever runs the ledger, by another way than what is checked
    #[arg(long = "key", value_name = "FILE|TEXT", required = true)]
    keys: Vec<String>,
    #[arg(long, value_enum, default_value = "table")]
    output: Output,
}

/// A ledger that is asked for proofs.
#[derive(Debug, Args)]
struct Source {
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    audit: AuditArgs,
}

impl Proof {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Bundle(bundle) => bundle.run(),
            Self::Consistency(consistency) => consistency.run().await,
            Self::Sample(sample) => sample.run().await,
            Self::Since(since) => since.run().await,
        }
    }
}

impl Trust {
    fn keys(&self) -> Result<Vec<VerifierKey>, Failure> {
        keys_of(&self.keys)
    }
}

/// The public keys that `--key` names: each a key, or a file with keys, one a line.
pub(super) fn keys_of(named: &[String]) -> Result<Vec<VerifierKey>, Failure> {
    let mut keys = Vec::new();
    for said in named {
        if let Ok(key) = VerifierKey::parse(said) {
            keys.push(key);
            continue;
        }
        check_key(said)?;
        let text = read(Path::new(said))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let wrong = |error| Failure::new(Exit::Usage, format!("{said}: {error}"));
            keys.push(VerifierKey::parse(line).map_err(wrong)?);
        }
    }
    if keys.is_empty() {
        return Err(Failure::new(Exit::Usage, "no key in what --key names"));
    }
    Ok(keys)
}

impl Source {
    async fn connect(&self) -> Result<Clients, Failure> {
        self.target.audited(&self.audit).await
    }
}

/// What can be neither a key nor a file with keys.
fn check_key(said: &str) -> Result<(), Failure> {
    if VerifierKey::parse(said).is_ok() {
        return Ok(());
    }
    let what = match Path::new(said).metadata() {
        Ok(found) if found.is_dir() => "is a folder; name a file with keys in it",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is neither a file nor a key",
        Ok(_) | Err(_) => return Ok(()),
    };
    Err(Failure::new(Exit::Usage, format!("--key {said} {what}")))
}

/// Reads a file that somebody was given.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let exit = if missing { Exit::NotFound } else { Exit::Failed };
        Failure::new(exit, format!("{}: {error}", path.display()))
    })
}

/// Reads a file with a checkpoint that one of the keys signed.
fn read_checkpoint(path: &Path, keys: &[VerifierKey]) -> Result<Checkpoint, Stop> {
    let note = read(path)?;
    let checkpoint = Checkpoint::verify(&String::from_utf8_lossy(&note), keys);
    checkpoint.map_err(|defect| of_note(&path.display().to_string(), &defect).into())
}

/// What a checkpoint that is not believed means.
fn of_note(what: &str, defect: &NoteDefect) -> Verdict {
    let said = format!("{what}: {defect}");
    match defect {
        NoteDefect::BadSignature(_) => Verdict::tampered("a checkpoint was changed", [said]),
        NoteDefect::UnknownKey(_) => {
            Verdict::inconclusive("a checkpoint is signed by somebody else", [said])
        }
        NoteDefect::Malformed(_) => {
            Verdict::inconclusive("what should be a checkpoint is none", [said])
        }
    }
}

/// Why a check ends early: a verdict, or something that is none.
enum Stop {
    Verdict(Box<Verdict>),
    Failure(Failure),
}

impl From<Verdict> for Stop {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(Box::new(verdict))
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<crate::rpc::Status> for Stop {
    fn from(status: crate::rpc::Status) -> Self {
        Self::Failure(status.into())
    }
}

/// Tells the verdict, however it came about.
fn tell(checked: Result<Verdict, Stop>, output: Output) -> Result<(), Failure> {
    match checked {
        Ok(verdict) => verdict.tell(output),
        Err(Stop::Verdict(verdict)) => verdict.tell(output),
        Err(Stop::Failure(failure)) => Err(failure),
    }
}

/// What a server says that has no form: nothing is proven by it.
fn malformed(error: &dyn std::fmt::Display) -> Verdict {
    Verdict::tampered("the server does not prove what it says", [error.to_string()])
}

/// Has a server prove that the log of one checkpoint begins with that of another one.
async fn prove_consistent(
    client: &mut AuditClient,
    older: &Checkpoint,
    newer: &Checkpoint,
) -> Result<(), Stop> {
    if older.origin != newer.origin {
        let what = format!("{} and {}", older.origin, newer.origin);
        return Err(Verdict::inconclusive("the checkpoints are of two origins", [what]).into());
    }
    let forked = |why: String| {
        let what = format!("checkpoints of {} and {} entries: {why}", older.size, newer.size);
        Verdict::tampered("one log was shown in two ways", [what])
    };
    if older.size == newer.size {
        let same = older.root == newer.root;
        return if same { Ok(()) } else { Err(forked("their roots differ".to_owned()).into()) };
    }
    let (from_size, to_size) = (older.size, Some(newer.size));
    let request = proto::GetConsistencyProofRequest { from_size, to_size };
    let answer = match client.get_consistency_proof(request).await {
        Err(status) if status.code() == Code::OutOfRange => {
            let what = status.message().to_owned();
            return Err(Verdict::tampered("the ledger has less than was signed", [what]).into());
        }
        answer => answer?.into_inner(),
    };
    let proof = ConsistencyProof::from_message(&answer).map_err(|error| malformed(&error))?;
    if proof.tree_size != newer.size {
        return Err(malformed(&"the proof is about another size than asked for").into());
    }
    let shown = proof.verify((older.size, &older.root), &newer.root);
    shown.map_err(|defect| forked(format!("the proof does not hold: {defect}")).into())
}
