//! How rows are measured: servers are started together, each gets its turn alone while the others
//! stand still, and rounds follow each other. Does not know what a row asks.

use std::path::{Path, PathBuf};

use crate::args::RunArgs;
use crate::client::{self, Setting};
use crate::feed::Orders;
use crate::figures::{Figures, Measure, Work};
use crate::load::callers::{Caller, Run, run};
use crate::process::Used;
use crate::server::{Kind, Programs, Server};

/// A run of this program.
pub(crate) struct Bench {
    pub(crate) args: RunArgs,
    pub(crate) programs: Programs,
    /// Where servers have their data.
    pub(crate) folder: PathBuf,
    /// Who takes part.
    pub(crate) peers: Vec<Kind>,
    pub(crate) setting: Setting,
    pub(crate) figures: Figures,
    made: u32,
}

impl Bench {
    pub(crate) fn new(
        args: RunArgs,
        folder: &Path,
        (programs, peers): (Programs, Vec<Kind>),
    ) -> Self {
        let (event_bytes, tags) = (args.event_bytes, args.tags);
        let setting = Setting { event_bytes, tags, shared_by: args.callers_per_connection };
        let (folder, figures) = (folder.to_owned(), Figures::default());
        Self { args, programs, folder, peers, setting, figures, made: 0 }
    }

    /// A row of this run's events.
    pub(crate) fn work(&self, name: &str) -> Work {
        Work { event_bytes: u64::from(self.args.event_bytes), ..Work::new(name) }
    }

    /// A new server with nothing in it, standing still.
    pub(crate) async fn new_server(&mut self, kind: Kind) -> Server {
        self.made += 1;
        let folder = self.folder.join(format!("{kind:?}-{}", self.made).to_lowercase());
        let mut server = Server::start(&self.programs, kind, &folder, Orders::default());
        client::ready(&mut server).await;
        client::prepare(&server).await;
        server.pause();
        server
    }

    /// New servers of all who take part, and of whoever else is wanted.
    pub(crate) async fn new_servers(&mut self, also: &[Kind]) -> Vec<Server> {
        let mut servers = Vec::new();
        for kind in self.peers.clone().into_iter().chain(also.iter().copied()) {
            servers.push(self.new_server(kind).await);
        }
        servers
    }

    /// Starts a server again on its data.
    pub(crate) async fn start_again(
        &self,
        (kind, folder): (Kind, &Path),
        orders: Orders,
    ) -> (Server, f64) {
        let mut server = Server::start(&self.programs, kind, folder, orders);
        client::ready(&mut server).await;
        let seconds = server.started.elapsed().as_secs_f64();
        (server, seconds)
    }

    /// Ends servers and removes their data.
    pub(crate) fn discard(&self, servers: Vec<Server>) {
        for server in servers {
            let folder = server.folder.clone();
            if self.args.keep {
                server.stop();
            } else {
                server.kill();
                let _ = std::fs::remove_dir_all(folder);
            }
        }
    }

    /// Runs callers against each server in turn, round after round, and keeps what they did.
    pub(crate) async fn rounds<C: Caller>(
        &mut self,
        (work, unit): (&Work, &str),
        servers: &[Server],
        callers: impl AsyncFn(&Setting, &Server) -> Vec<C>,
    ) {
        for round in 1..=self.args.rounds {
            for server in servers {
                server.go_on();
                let callers = callers(&self.setting, server).await;
                let (_, callers) = run(callers, self.args.run_time() / 4).await;
                let before = server.used();
                let (run, callers) = run(callers, self.args.run_time()).await;
                // While all its processes are there.
                let used = server.used().since(before);
                drop(callers);
                server.pause();
                self.figures.add(measure(work, (server, round), (&run, unit), used));
            }
        }
        self.figures.print(work);
        self.save();
    }

    /// Writes what there is: who interrupts a run keeps its figures.
    pub(crate) fn save(&self) {
        if let Some(path) = &self.args.json {
            self.figures.write(path);
        }
    }
}

/// A run as a measurement, with what the server used for it.
pub(crate) fn measure(
    work: &Work,
    (server, round): (&Server, u32),
    (run, unit): (&Run, &str),
    used: Used,
) -> Measure {
    let memory = server.memory();
    let each = run.count.max(1) as f64;
    Measure::new(work, server.kind, round, (run.rate(), unit))
        .beside("p50 us", run.quantile_us(0.5))
        .beside("p99 us", run.quantile_us(0.99))
        .beside("server cpu us", used.processor_s * 1e6 / each)
        .beside("own MB", memory.own_mb)
        .beside("peak MB", memory.high_water_mb)
}
