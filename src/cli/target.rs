//! Which ledger a command is about: a folder, or a running server. Does not know commands.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::failure::{Exit, Failure};
use crate::ledger::{Ledger, Options};
use crate::rpc::{Client, connect, connect_local};

/// The folder of a ledger where none is named.
pub(super) const DEFAULT_FOLDER: &str = "ledger-data";

/// A ledger in a folder or behind a server.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The folder of the ledger; it must not be open elsewhere
    /// [env: `ORDER_LEDGER_LEDGER`] [default: ledger-data]
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    ledger: Option<PathBuf>,
    /// The address of a running server, as `http://127.0.0.1:7447`
    /// [env: `ORDER_LEDGER_SERVER`]
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

enum Place {
    Folder(PathBuf),
    Server(String),
}

impl Target {
    /// Opens the ledger, which is made where none is, or connects to the server.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        open(self.place()?).await
    }

    /// As [`Target::connect`], for commands that only read: a folder without a ledger is an error.
    pub(super) async fn connect_existing(&self) -> Result<Client, Failure> {
        let place = self.place()?;
        if let Place::Folder(folder) = &place
            && !folder.join("format").exists()
        {
            let folder = folder.display();
            let what = "name one with --ledger DIR or --server URL";
            return Err(Failure::new(Exit::NotFound, format!("no ledger in {folder}; {what}")));
        }
        open(place).await
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
}

async fn open(place: Place) -> Result<Client, Failure> {
    match place {
        Place::Folder(folder) => {
            Ok(connect_local(Arc::new(Ledger::open(folder, Options::default())?)))
        }
        Place::Server(url) => connect(&url).await.map_err(|error| {
            let first: &dyn std::error::Error = &error;
            let causes = std::iter::successors(Some(first), |cause| cause.source());
            let causes: Vec<String> = causes.map(ToString::to_string).collect();
            Failure::failed(format!("cannot connect to {url}: {}", causes.join(": ")))
        }),
    }
}
