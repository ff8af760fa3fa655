//! Processes that this program starts: they end with it, and what they use is counted with what
//! their children use. Does not know what they serve.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Whoever has to be ended when this program is.
static RUNNING: LazyLock<Mutex<Vec<u32>>> = LazyLock::new(Mutex::default);
/// How long a server may take to end in order.
const STOP_TIME: Duration = Duration::from_mins(2);
/// The kernel counts processor time in hundredths of a second.
const TICKS: f64 = 100.0;
const MB: f64 = 1e6;

/// Kills whatever still runs.
pub(crate) fn kill_all() {
    for id in RUNNING.lock().unwrap().drain(..) {
        signal(id, Signal::KILL);
    }
}

pub(crate) fn signal(id: u32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(i32::try_from(id).unwrap()) {
        // One that has ended needs no signal.
        let _ = kill_process(pid, signal);
    }
}

/// A process that is killed when this value goes.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program; see [`command`] for one that the kernel ends when this one dies.
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        RUNNING.lock().unwrap().push(child.id());
        Self { child }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks it to end, and waits for that.
    pub(crate) fn stop(mut self, with: Signal) {
        signal(self.id(), with);
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < STOP_TIME, "a server does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends it as the operating system does when memory runs out, and all its children.
    pub(crate) fn kill(self) {
        drop(self);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let id = self.id();
        if !self.has_ended() {
            // Children first: they might outlive it for a moment and hold its files.
            for member in tree(id).into_iter().rev() {
                signal(member, Signal::KILL);
            }
            let _ = self.child.wait();
        }
        RUNNING.lock().unwrap().retain(|running| *running != id);
    }
}

/// A command that is killed with this program.
pub(crate) fn command(program: &Path, user: Option<&str>, dies_by: &str) -> Command {
    if !Path::new("/usr/bin/setpriv").exists() {
        assert!(user.is_none(), "setpriv is needed to run {} as {user:?}", program.display());
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    command.args(["--pdeathsig", dies_by]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// A process and all that descend from it.
pub(crate) fn tree(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let id = found[at];
        let threads = std::fs::read_dir(format!("/proc/{id}/task"));
        for thread in threads.into_iter().flatten().flatten() {
            let children = read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|word| word.parse::<u32>().ok()));
        }
        at += 1;
    }
    found
}

/// What a process and its children have used since they began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Used {
    pub(crate) processor_s: f64,
}

impl Used {
    pub(crate) fn by(root: u32) -> Self {
        let mut used = Self::default();
        for id in tree(root) {
            let stat = read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
            // The name before the last parenthesis may hold anything; utime, stime and those of
            // children that have ended follow later.
            let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            let ticks = |skip| {
                let two = fields.iter().skip(skip).take(2);
                two.filter_map(|word| word.parse::<f64>().ok()).sum::<f64>()
            };
            used.processor_s += ticks(13) / TICKS;
            // Many small processes, as PostgreSQL has, would lose what is under a hundredth.
            used.processor_s += exact_processor_s(id).unwrap_or_else(|| ticks(11) / TICKS);
        }
        used
    }

    pub(crate) fn since(self, before: Self) -> Self {
        Self { processor_s: self.processor_s - before.processor_s }
    }
}

/// Of a process with one thread the time to the nanosecond; threads that have ended would be lost.
fn exact_processor_s(id: u32) -> Option<f64> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).ok()?.count();
    let text = read_to_string(format!("/proc/{id}/schedstat")).ok().filter(|_| threads == 1)?;
    let nanos: f64 = text.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}

/// Memory of a process and its children, in megabytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// What is nobody else's and no file: anonymous pages of all of them, and shared ones once.
    pub(crate) own_mb: f64,
    /// The most that the largest of them had, mapped files included.
    pub(crate) high_water_mb: f64,
}

impl Memory {
    pub(crate) fn of(root: u32) -> Self {
        let (mut own, mut shared, mut high) = (0.0, 0.0_f64, 0.0_f64);
        for id in tree(root) {
            let status = read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let kilobytes = |name| field_of(&status, name) * 1_024.0 / MB;
            own += kilobytes("RssAnon:");
            shared = shared.max(kilobytes("RssShmem:"));
            high = high.max(kilobytes("VmHWM:"));
        }
        Self { own_mb: own + shared, high_water_mb: high }
    }

    pub(crate) fn most(self, other: Self) -> Self {
        Self {
            own_mb: self.own_mb.max(other.own_mb),
            high_water_mb: self.high_water_mb.max(other.high_water_mb),
        }
    }
}

fn field(path: &str, name: &str) -> f64 {
    field_of(&read_to_string(path).unwrap_or_default(), name)
}

fn field_of(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

/// Paths that a process and its children have open for writes that wait for the disk.
pub(crate) fn synchronous_files(root: u32) -> Vec<PathBuf> {
    const DSYNC: u64 = 0o10_000;
    let mut found = Vec::new();
    for id in tree(root) {
        let files = std::fs::read_dir(format!("/proc/{id}/fd"));
        for file in files.into_iter().flatten().flatten() {
            let number = file.file_name().to_string_lossy().into_owned();
            let info = read_to_string(format!("/proc/{id}/fdinfo/{number}")).unwrap_or_default();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = flags.and_then(|flags| u64::from_str_radix(flags.trim(), 8).ok());
            if flags.is_some_and(|flags| flags & DSYNC != 0) {
                found.extend(std::fs::read_link(file.path()));
            }
        }
    }
    found
}

/// Whether every thread of a process is looked at by a tracer.
pub(crate) fn is_traced(id: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let mut tracers =
        threads.map(|thread| field(&thread.path().join("status").to_string_lossy(), "TracerPid:"));
    tracers.all(|tracer| tracer > 0.0)
}
