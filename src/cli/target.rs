//! Which ledger a command is about: a folder, or a running server. Does not know commands.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::audit_args::AuditArgs;
use super::bar::Bar;
use super::failure::{Exit, Failure};
use super::policy;
use crate::audit::AuditOptions;
use crate::ledger::{Ledger, Options};
use crate::rpc::{Actor, Clients, LedgerClient, connect, connect_local};

/// The folder of a ledger where none is named.
pub(super) const DEFAULT_FOLDER: &str = "ledger-data";

/// A ledger in a folder or behind a server.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The folder of the ledger; it must not be open elsewhere
    /// [env: `ORDER_LEDGER_LEDGER`] [default: ledger-data]
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    ledger: Option<PathBuf>,
    /// The address of a running server, as `http://127.0.0.1:7447`; where it records who reads,
    /// `ORDER_LEDGER_ACTOR` says who that is [env: `ORDER_LEDGER_SERVER`]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// What the rules for anomalies have to know about the house, as TOML; the ledger keeps it
    /// until another one is given (an empty file: the defaults), and a server has its own
    /// [env: `ORDER_LEDGER_POLICY`]
    #[arg(long, value_name = "FILE", conflicts_with = "server")]
    policy: Option<PathBuf>,
}

enum Place {
    Folder(PathBuf),
    Server(String),
}

impl Target {
    /// Opens the ledger, which is made where none is, or connects to the server.
    pub(super) async fn connect(&self) -> Result<LedgerClient, Failure> {
        Ok(self.open(self.place()?).await?.ledger)
    }

    /// All clients of a ledger, as [`Target::connect`].
    pub(super) async fn connect_all(&self) -> Result<Clients, Failure> {
        self.open(self.place()?).await
    }

    /// As [`Target::connect`], for commands that only read: a folder without a ledger is an error.
    pub(super) async fn connect_existing(&self) -> Result<LedgerClient, Failure> {
        Ok(self.existing().await?.ledger)
    }

    /// All clients of a ledger that is there.
    pub(super) async fn existing(&self) -> Result<Clients, Failure> {
        self.existing_with(AuditOptions::default()).await
    }

    /// The same for commands that open the audit of a folder, and so have to say how.
    pub(super) async fn audited(&self, audit: &AuditArgs) -> Result<Clients, Failure> {
        match (self.place()?, audit.typed()) {
            (Place::Server(_), Some(flag)) => {
                let what = "is for a ledger in a folder; a server has its own";
                Err(Failure::new(Exit::Usage, format!("{flag} {what}")))
            }
            (Place::Server(_), None) => self.existing_with(AuditOptions::default()).await,
            (Place::Folder(_), _) => self.existing_with(audit.options()?).await,
        }
    }

    /// Whether that is a server.
    pub(super) fn is_server(&self) -> bool {
        matches!(self.place(), Ok(Place::Server(_)))
    }

    async fn existing_with(&self, audit: AuditOptions) -> Result<Clients, Failure> {
        let place = self.place()?;
        if let Place::Folder(folder) = &place
            && !folder.join("format").exists()
        {
            let folder = folder.display();
            let what = "name one with --ledger DIR or --server URL";
            return Err(Failure::new(Exit::NotFound, format!("no ledger in {folder}; {what}")));
        }
        self.open_with(place, audit).await
    }

    /// What is typed counts more than a variable, whichever of the two either names. The parser
    /// would take a variable for typed, and find the two in conflict.
    fn place(&self) -> Result<Place, Failure> {
        if let Some(url) = &self.server {
            return Ok(Place::Server(url.clone()));
        }
        if let Some(folder) = &self.ledger {
            return Ok(Place::Folder(folder.clone()));
        }
        let names = ["ORDER_LEDGER_SERVER", "ORDER_LEDGER_LEDGER"];
        match names.map(|name| std::env::var_os(name).filter(|value| !value.is_empty())) {
            [Some(_), Some(_)] => {
                let what = format!("{} are both set; name a ledger", names.join(" and "));
                Err(Failure::new(Exit::Usage, what))
            }
            [Some(url), None] => Ok(Place::Server(url.to_string_lossy().into_owned())),
            [None, Some(folder)] => Ok(Place::Folder(folder.into())),
            [None, None] => Ok(Place::Folder(DEFAULT_FOLDER.into())),
        }
    }

    async fn open(&self, place: Place) -> Result<Clients, Failure> {
        self.open_with(place, AuditOptions::default()).await
    }

    async fn open_with(&self, place: Place, audit: AuditOptions) -> Result<Clients, Failure> {
        match place {
            Place::Folder(folder) => {
                let variable = || std::env::var_os("ORDER_LEDGER_POLICY").map(PathBuf::from);
                let file = self.policy.clone().or_else(variable);
                let file = file.filter(|file| !file.as_os_str().is_empty());
                let options = options(file.as_deref())?;
                let mut bar = Bar::new();
                let opened =
                    Ledger::open_with_progress(folder, options, |progress| bar.show(progress));
                Ok(connect_local(Arc::new(opened?), audit))
            }
            Place::Server(_) if self.policy.is_some() => {
                let message = "--policy is for a ledger in a folder; a server has its own";
                Err(Failure::new(Exit::Usage, message))
            }
            Place::Server(url) => connect(&url, actor()?).await.map_err(|error| {
                let first: &dyn std::error::Error = &error;
                let causes = std::iter::successors(Some(first), |cause| cause.source());
                let causes: Vec<String> = causes.map(ToString::to_string).collect();
                Failure::failed(format!("cannot connect to {url}: {}", causes.join(": ")))
            }),
        }
    }
}

/// Who runs this command, as a variable says it: for a server that records who reads.
fn actor() -> Result<Option<Actor>, Failure> {
    let name = std::env::var_os("ORDER_LEDGER_ACTOR").filter(|name| !name.is_empty());
    let Some(name) = name else { return Ok(None) };
    let actor = name.to_str().and_then(Actor::parse);
    let what = "ORDER_LEDGER_ACTOR: say it in letters of ASCII, without control characters";
    actor.map(Some).ok_or_else(|| Failure::new(Exit::Usage, what))
}

/// How a ledger is opened: with the policy of a file, or the one that it has.
pub(super) fn options(policy: Option<&Path>) -> Result<Options, Failure> {
    let policy = policy.map(policy::read).transpose()?;
    Ok(Options { policy, ..Options::default() })
}
