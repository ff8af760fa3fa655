//! The servers: each a process of its own, with the settings that it has by default. Does not know
//! what is asked of them.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use rustix::process::{Signal, geteuid};
use serde::{Deserialize, Serialize};

use crate::args::RunArgs;
use crate::feed::Orders;
use crate::process::{self, Memory, Process, Used};
use crate::size::Size;

const SAMPLE_EVERY: Duration = Duration::from_millis(150);
/// Callers of PostgreSQL have a connection each; its default of 100 is too few.
const POSTGRES_CONNECTIONS: u32 = 300;

/// Who is measured.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// This ledger
    Ledger,
    /// UmaDB
    Umadb,
    /// Tephra
    Tephra,
    /// PostgreSQL
    Postgres,
    /// gRPC that does nothing
    #[value(skip)]
    Echo,
}

/// Everybody that stores events.
pub(crate) const PEERS: [Kind; 4] = [Kind::Ledger, Kind::Umadb, Kind::Tephra, Kind::Postgres];

impl Kind {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Ledger => "Order Ledger",
            Self::Umadb => "UmaDB",
            Self::Tephra => "Tephra",
            Self::Postgres => "PostgreSQL",
            Self::Echo => "gRPC alone",
        }
    }

    /// Which settings are not what its own program has by default, and who allocates its memory.
    pub(crate) fn settings(self) -> &'static str {
        match self {
            Self::Ledger => "its own program; defaults; mimalloc",
            Self::Umadb => "its library's server as its program starts it; defaults; system malloc",
            Self::Tephra => {
                "its library's server as its program starts it; defaults; jemalloc with background \
                 threads"
            }
            Self::Postgres => {
                "initdb's defaults, --locale=C, synchronous_commit=on; max_connections=300"
            }
            Self::Echo => "tonic with the ledger's HTTP/2 settings; mimalloc",
        }
    }

    /// How many callers share a connection: for each what served it best, or what its protocol
    /// allows.
    pub(crate) fn shared_by(self) -> usize {
        match self {
            Self::Ledger | Self::Umadb | Self::Echo => 8,
            // One client for all: it is made to be shared, and grows slower with each more.
            Self::Tephra => 128,
            Self::Postgres => 1,
        }
    }
}

/// What is needed to start servers.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    args: RunArgs,
    umadb: PathBuf,
    tephra: PathBuf,
    postgres: PathBuf,
    /// Who runs PostgreSQL, where it must be somebody else.
    postgres_user: Option<String>,
}

impl Programs {
    pub(crate) fn find(args: &RunArgs) -> Self {
        let own = std::env::current_exe().unwrap();
        let beside = |name| own.parent().unwrap().join(name);
        let postgres = args.postgres.clone().unwrap_or_else(|| {
            let output = Command::new("pg_config").arg("--bindir").output();
            let output = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
            PathBuf::from(output.unwrap_or_default().trim())
        });
        Self {
            args: args.clone(),
            umadb: args.umadb.clone().unwrap_or_else(|| beside("umadb-served")),
            tephra: args.tephra.clone().unwrap_or_else(|| beside("tephra-served")),
            postgres,
            postgres_user: geteuid().is_root().then(|| args.postgres_user.clone()),
        }
    }

    /// The program of a server, and what it says its version is.
    pub(crate) fn version(&self, kind: Kind) -> (PathBuf, String) {
        let program = self.program(kind);
        let said = match kind {
            Kind::Ledger | Kind::Umadb | Kind::Postgres => {
                let output = Command::new(&program).arg("--version").output();
                let said = output.map(|output| output.stdout).unwrap_or_default();
                String::from_utf8_lossy(&said).trim().to_owned()
            }
            Kind::Tephra => "tephra-server 0.4.4".to_owned(),
            Kind::Echo => "tonic 0.14".to_owned(),
        };
        (program, said)
    }

    fn program(&self, kind: Kind) -> PathBuf {
        match kind {
            Kind::Ledger => self.args.ledger.clone(),
            Kind::Umadb => self.umadb.clone(),
            Kind::Tephra => self.tephra.clone(),
            Kind::Postgres => self.postgres.join("postgres"),
            Kind::Echo => std::env::current_exe().unwrap(),
        }
    }

    pub(crate) fn is_there(&self, kind: Kind) -> bool {
        self.program(kind).is_file()
    }

    /// The command that serves a folder on a port.
    fn command(&self, kind: Kind, folder: &Path, port: u16) -> Command {
        let program = self.program(kind);
        let address = format!("127.0.0.1:{port}");
        let user = self.postgres_user.as_deref().filter(|_| kind == Kind::Postgres);
        let dies_by = if kind == Kind::Postgres { "QUIT" } else { "KILL" };
        let mut command = process::command(&program, user, dies_by);
        match kind {
            Kind::Ledger => {
                command.args(["serve", "--listen", &address, "--ledger"]).arg(folder);
            }
            Kind::Umadb => {
                command.args(["--listen", &address, "--db-path"]).arg(folder);
            }
            Kind::Tephra => {
                command.args(["--bind", &address, "--data-dir"]).arg(folder);
            }
            Kind::Postgres => {
                command.arg("-D").arg(folder).args(["-p", &port.to_string()]);
                command.args(["-c", "listen_addresses=127.0.0.1"]);
                command.arg("-c").arg(format!("unix_socket_directories={}", folder.display()));
                command.args(["-c", "synchronous_commit=on"]);
                command.args(["-c", &format!("max_connections={POSTGRES_CONNECTIONS}")]);
            }
            Kind::Echo => {
                command.args(["--serve-echo", &address]);
            }
        }
        command
    }

    /// Makes what a server needs in its folder before it is started the first time.
    fn prepare(&self, kind: Kind, folder: &Path) {
        match kind {
            Kind::Ledger | Kind::Echo => {}
            Kind::Umadb | Kind::Tephra => std::fs::create_dir_all(folder).unwrap(),
            Kind::Postgres => {
                // Made once, because it takes seconds.
                let first = folder.with_file_name("postgres-first");
                if !first.exists() {
                    self.init_database(&first);
                }
                run(Command::new("cp").arg("-a").arg(first).arg(folder));
            }
        }
    }

    /// A new cluster as `initdb` makes it, with texts compared byte by byte, which is its fastest.
    fn init_database(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        if let Some(user) = &self.postgres_user {
            let owner = format!("{user}:{user}");
            run(Command::new("chown").arg(owner).arg(folder));
        }
        let user = self.postgres_user.as_deref();
        let mut command = process::command(&self.postgres.join("initdb"), user, "KILL");
        command.arg("-D").arg(folder);
        command.args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]);
        run(command.current_dir("/"));
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) port: u16,
    pub(crate) folder: PathBuf,
    /// Orders that were told of to this server.
    pub(crate) orders: Orders,
    /// When its process was started.
    pub(crate) started: Instant,
    process: Process,
    sampler: Sampler,
}

impl Server {
    /// Starts a server on an empty folder or on one that it knows; it need not listen yet.
    pub(crate) fn start(programs: &Programs, kind: Kind, folder: &Path, orders: Orders) -> Self {
        if !folder.exists() {
            programs.prepare(kind, folder);
        }
        let port = free_port();
        let mut command = programs.command(kind, folder, port);
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Instant::now();
        let process = Process::start(command);
        let sampler = Sampler::start(process.id());
        Self { kind, port, folder: folder.to_owned(), orders, started, process, sampler }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.has_ended()
    }

    /// What it has used so far.
    pub(crate) fn used(&self) -> Used {
        Used::by(self.id())
    }

    /// Bytes on disk that were written as zeros to be used later; they count when they are used.
    pub(crate) fn prepared(&self) -> f64 {
        let size = Size::of(&self.folder);
        match self.kind {
            // Segments are filled with zeros ahead.
            Kind::Ledger => size.prepared as f64,
            // Files of its log are, too, and then used again and again.
            Kind::Postgres => size.log as f64,
            Kind::Umadb | Kind::Tephra | Kind::Echo => 0.0,
        }
    }

    /// The most memory that it had so far.
    pub(crate) fn memory(&self) -> Memory {
        self.sampler.most().most(Memory::of(self.id()))
    }

    /// Stops its clock: it gets no processor time until it goes on.
    pub(crate) fn pause(&self) {
        self.sampler.pause(true);
        for id in process::tree(self.id()) {
            process::signal(id, Signal::STOP);
        }
    }

    pub(crate) fn go_on(&self) {
        for id in process::tree(self.id()).into_iter().rev() {
            process::signal(id, Signal::CONT);
        }
        self.sampler.pause(false);
    }

    /// Ends it in order.
    pub(crate) fn stop(self) {
        self.go_on();
        // PostgreSQL waits for its clients at SIGTERM.
        let with = if self.kind == Kind::Postgres { Signal::INT } else { Signal::TERM };
        drop(self.sampler);
        self.process.stop(with);
    }

    /// Ends it at once.
    pub(crate) fn kill(self) {
        drop(self.sampler);
        self.process.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Looks at the memory of a server now and then.
#[derive(Debug)]
struct Sampler {
    most: Arc<Mutex<Memory>>,
    paused: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    fn start(id: u32) -> Self {
        let (most, paused, ended) = (Arc::default(), Arc::default(), Arc::default());
        let (shared, pause, end) = (Arc::clone(&most), Arc::clone(&paused), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let (shared, pause, end): (Arc<Mutex<Memory>>, Arc<AtomicBool>, Arc<AtomicBool>) =
                (shared, pause, end);
            while !end.load(Ordering::Relaxed) {
                if !pause.load(Ordering::Relaxed) {
                    let now = Memory::of(id);
                    let mut most = shared.lock().unwrap();
                    *most = most.most(now);
                }
                std::thread::park_timeout(SAMPLE_EVERY);
            }
        });
        Self { most, paused, ended, thread: Some(thread) }
    }

    fn pause(&self, paused: bool) {
        self.paused.store(paused, Ordering::Relaxed);
    }

    fn most(&self) -> Memory {
        *self.most.lock().unwrap()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
