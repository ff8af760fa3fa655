//! Which ledger a command is about: a folder, or a running server. Does not know commands.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use crate::ledger::{Ledger, Options};
use crate::rpc::{Client, connect, connect_local};

/// The folder of a ledger where none is named.
pub(super) const DEFAULT_FOLDER: &str = "ledger-data";

/// A ledger in a folder or behind a server.
#[derive(Clone, Debug, Args)]
pub(super) struct Target {
    /// The folder of the ledger; it must not be open elsewhere
    #[arg(
        long,
        value_name = "DIR",
        env = "ORDER_LEDGER_LEDGER",
        default_value = DEFAULT_FOLDER,
        conflicts_with = "server"
    )]
    ledger: PathBuf,
    /// The address of a running server, as `http://127.0.0.1:7447`
    #[arg(long, value_name = "URL", env = "ORDER_LEDGER_SERVER")]
    server: Option<String>,
}

impl Target {
    /// Opens the ledger, which is made where none is, or connects to the server.
    pub(super) async fn connect(&self) -> Result<Client, Failure> {
        match &self.server {
            Some(url) => connect(url).await.map_err(|error| {
                let first: &dyn std::error::Error = &error;
                let causes = std::iter::successors(Some(first), |cause| cause.source());
                let causes: Vec<String> = causes.map(ToString::to_string).collect();
                Failure::failed(format!("cannot connect to {url}: {}", causes.join(": ")))
            }),
            None => Ok(connect_local(Arc::new(Ledger::open(&self.ledger, Options::default())?))),
        }
    }

    /// As [`Target::connect`], for commands that only read: a folder without a ledger is an error.
    pub(super) async fn connect_existing(&self) -> Result<Client, Failure> {
        if self.server.is_none() && !self.ledger.join("format").exists() {
            let folder = self.ledger.display();
            return Err(Failure::new(
                super::failure::Exit::NotFound,
                format!("no ledger in {folder}; name one with --ledger DIR or --server URL"),
            ));
        }
        self.connect().await
    }
}
