//! Reads `src/` and fails where the picture in ARCHITECTURE.md is not true, or the house rules are
//! broken: who may name whom, how long things may be, what every module says first.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at its first surprise"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Folders from high to low; each may name those behind it and itself, never one before it.
const LAYERS: [&str; 10] =
    ["cli", "rpc", "delivery", "audit", "ledger", "view", "log", "order", "event", "demo"];

/// Crates that only one folder may name.
const AT_HOME: [(&str, &str); 11] = [
    ("redb", "view"),
    ("bincode", "view"),
    ("tonic", "rpc"),
    ("tonic_types", "rpc"),
    ("tonic_health", "rpc"),
    ("tonic_reflection", "rpc"),
    ("clap", "cli"),
    ("indicatif", "cli"),
    ("humantime", "cli"),
    ("flate2", "cli"),
    ("toml", "cli"),
];

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// The folder below `src/`, or the file's own name for files directly in it.
    fn layer(&self) -> String {
        let below = self.path.strip_prefix(root().join("src")).unwrap();
        below.components().next().unwrap().as_os_str().to_string_lossy().into_owned()
    }

    /// Lines of code with their numbers, without comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = (1..).zip(self.text.lines());
        lines.map(|(number, line)| (number, line.split("//").next().unwrap()))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push(Source { path, text });
            }
        }
    }
    found
}

fn check(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_' && letter != ':')
    })
}

#[test]
fn a_lower_layer_never_names_a_higher_one() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some(own) = LAYERS.iter().position(|layer| *layer == source.layer()) else { continue };
        for (number, line) in source.code() {
            for higher in &LAYERS[..own] {
                // Except for tests of a module, everything is named by `crate::`.
                if names(line, &format!("crate::{higher}::")) {
                    broken.push(format!("{}:{number}: {line}", source.path.display()));
                }
            }
        }
    }
    check("a lower layer names a higher one", &broken);
}

#[test]
fn a_crate_is_named_only_where_it_is_at_home() {
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in source.code() {
            for (name, home) in AT_HOME {
                let named = names(line, &format!("{name}::"));
                if named && source.layer() != home {
                    broken.push(format!("{}:{number}: {line}", source.path.display()));
                }
            }
        }
    }
    check("a crate is named outside of its folder", &broken);
}

#[test]
fn every_layer_has_a_place_in_the_order() {
    let known = ["fuzzing.rs", "lib.rs", "main.rs", "limits.rs", "num.rs", "proto.rs", "time.rs"];
    let broken: Vec<String> = sources()
        .iter()
        .map(Source::layer)
        .filter(|layer| !LAYERS.contains(&layer.as_str()) && !known.contains(&layer.as_str()))
        .collect();
    check("a folder or file that the architecture does not list", &broken);
}

#[test]
fn every_module_says_what_it_is_and_what_it_does_not_know() {
    let mut broken = Vec::new();
    for source in sources() {
        let head: Vec<&str> =
            source.text.lines().take_while(|line| line.starts_with("//!")).collect();
        let head = head.join(" ");
        let says = head.contains("not know") || head.contains("knows no") || head.contains("nor ");
        if head.is_empty() || !says && !source.path.ends_with("lib.rs") {
            broken.push(source.path.display().to_string());
        }
    }
    check("a module without its two sentences", &broken);
}

#[test]
fn files_functions_and_lines_keep_their_limits() {
    let mut broken = Vec::new();
    for source in sources() {
        let path = source.path.display();
        let count = source.text.lines().count();
        if count > FILE_LINES_MAX {
            broken.push(format!("{path}: {count} lines"));
        }
        let mut begin: Option<(usize, usize)> = None;
        for (number, line) in (1..).zip(source.text.lines()) {
            if line.chars().count() > LINE_COLUMNS_MAX && !line.contains("r#\"{") {
                broken.push(format!("{path}:{number}: {} columns", line.chars().count()));
            }
            let indent = line.len() - line.trim_start().len();
            let declares = line.contains("fn ") && line.trim_start().starts_with(['p', 'f', 'a']);
            match begin {
                None if declares && !line.trim_end().ends_with(';') => {
                    begin = (!line.trim_end().ends_with('}')).then_some((number, indent));
                }
                Some((first, outer)) if line.trim() == "}" && indent == outer => {
                    if number - first + 1 > FUNCTION_LINES_MAX {
                        broken.push(format!("{path}:{first}: {} lines", number - first + 1));
                    }
                    begin = None;
                }
                _ => {}
            }
        }
    }
    check("over a limit", &broken);
}

#[test]
fn nothing_is_left_unfinished() {
    // Put together here, so that this file does not find itself.
    let marks = ["TODO", "FIXME", "XXX", "HACK", "todo!(", "unimplemented!(", "dbg!("];
    let mut broken = Vec::new();
    for source in sources() {
        for (number, line) in (1..).zip(source.text.lines()) {
            let code_in_comment =
                line.trim_start().starts_with("// ") && line.trim_end().ends_with([';', '{']);
            if marks.iter().any(|mark| line.contains(mark)) || code_in_comment {
                broken.push(format!("{}:{number}: {line}", source.path.display()));
            }
        }
    }
    check("left unfinished", &broken);
}

#[test]
fn every_dependency_is_named_with_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut broken = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.contains("dependencies]");
        } else if let (true, Some((name, _))) = (inside, line.split_once(" = "))
            && !architecture.contains(&format!("`{name}`"))
        {
            broken.push(name.to_owned());
        }
    }
    check("a dependency that ARCHITECTURE.md does not give a reason for", &broken);
}
