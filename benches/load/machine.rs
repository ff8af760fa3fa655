//! What the machine is. Does not know what runs on it.

use std::fs::read_to_string;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Facts to print beside the figures, by name.
pub(crate) fn facts(folder: &Path) -> Vec<(&'static str, String)> {
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    vec![
        ("cores", cores.to_string()),
        ("CPU", field("/proc/cpuinfo", "model name")),
        ("memory", field("/proc/meminfo", "MemTotal")),
        ("disk", mount(folder)),
        ("kernel", read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default()),
        ("rustc", output("rustc", "--version")),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.trim().to_owned()))
    .collect()
}

pub(crate) fn to_json(facts: &[(&'static str, String)]) -> Value {
    facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
}

fn field(path: &str, name: &str) -> String {
    let text = read_to_string(path).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':'));
    value.map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
}

/// Device and file system of the longest mount point above a folder.
fn mount(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    let mounts = read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        folder.starts_with(point).then(|| (point.len(), format!("{device}, {kind}")))
    });
    mounts.max().map_or_else(|| "unknown".to_owned(), |(_, found)| found)
}

fn output(program: &str, argument: &str) -> String {
    let output = Command::new(program).arg(argument).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}
