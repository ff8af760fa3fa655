//! Evidence as a program sees it that shares no code with this one: `tests/evidence`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::support::{Finished, Folder, Running};

/// The last line of a file of evidence: the digest of all before it.
const DIGEST_LINE: usize = 81;
/// The verifier key of the vectors in docs/evidence.md.
const ANOTHER_KEY: &str =
    "ledger.example/orders+a7d0c155+AW56HN0psLeP0Tr0xVmP7/TvKpcWbjym8uT7/M2AUFvx";

/// A Python with the package for signatures.
struct Python(String);

impl Python {
    /// `None`, with a word about it, where there is none. Which one is tried,
    /// `ORDER_LEDGER_TEST_PYTHON` says.
    fn find() -> Option<Self> {
        let named = std::env::var("ORDER_LEDGER_TEST_PYTHON").ok();
        let program = named.clone().unwrap_or("python3".to_owned());
        let import = Command::new(&program).args(["-c", "import cryptography"]).output();
        if !import.is_ok_and(|import| import.status.success()) {
            assert!(named.is_none(), "{program} has no cryptography");
            eprintln!("skipped: there is no {program} with cryptography");
            return None;
        }
        Some(Self(program))
    }

    fn verify(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(&self.0);
        command.arg("-B").arg(root().join("tests/evidence/verify_evidence.py")).args(arguments);
        let finished = Running::start(command).finish();
        assert!(!finished.err.contains("Traceback"), "{}", finished.err);
        finished
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Simulated orders, and evidence of some of them.
struct Evidence {
    folder: Folder,
    /// The file with the ledger's public key.
    key: PathBuf,
    /// Where the file of evidence is, and what it holds.
    path: PathBuf,
    file: Vec<u8>,
}

impl Evidence {
    fn export(more: &[&str]) -> Self {
        let folder = Folder::new();
        folder.run(&["demo", "--orders", "40"]).ok();
        let ids = orders(&folder);
        let path = folder.path().join("evidence.html");
        let out = path.to_str().unwrap();
        let asked = ["evidence", &ids[0], &ids[ids.len() / 2], "erp/never-seen", "--out", out];
        folder.run(&[&asked, more].concat()).ok();
        let keys = fs::read_dir(folder.path().join("audit/keys")).unwrap();
        let mut keys = keys.map(|key| key.unwrap().path());
        let key = keys.find(|key| key.extension().is_none_or(|end| end != "key")).unwrap();
        let file = fs::read(&path).unwrap();
        Self { folder, key, path, file }
    }

    fn verify(&self, python: &Python, more: &[&str]) -> Finished {
        let known = [self.path.to_str().unwrap(), "--key", self.key.to_str().unwrap()];
        python.verify(&[&known, more].concat())
    }

    /// All of these are found out.
    #[track_caller]
    fn none_is_verified(&self, python: &Python, files: &[Vec<u8>], verdicts: &[&str]) {
        let paths: Vec<_> = (0..files.len())
            .map(|number| self.folder.path().join(format!("changed-{number}.html")))
            .collect();
        for (path, file) in paths.iter().zip(files) {
            fs::write(path, file).unwrap();
        }
        let mut arguments = vec!["--key", self.key.to_str().unwrap()];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        let found = python.verify(&arguments);
        found.failed(5);
        let expected = |line: &str| verdicts.iter().any(|verdict| line.starts_with(verdict));
        let lines: Vec<_> = found.out.lines().collect();
        assert_eq!(lines.len(), files.len(), "{}", found.out);
        for (number, line) in lines.iter().enumerate() {
            assert!(expected(line), "change {number}: {line}");
        }
    }

    /// Lines of the data by number, and where they begin in the file.
    fn data(&self) -> Vec<(usize, &str)> {
        let text = std::str::from_utf8(&self.file).unwrap();
        let begin = text.find("id=\"order-ledger-evidence\">\n").unwrap();
        let mut at = 0;
        let lines = text.split_inclusive('\n').map(|line| {
            at += line.len();
            (at - line.len(), line)
        });
        lines.filter(|(at, _)| *at > begin).collect()
    }
}

/// Orders of the ledger, by their names.
fn orders(folder: &Folder) -> Vec<String> {
    let replayed = folder.run(&["replay", "--output", "json"]).ndjson();
    let ids = replayed.iter().map(|row| row["event"]["correlation_id"].as_str().unwrap());
    let mut ids: Vec<_> = ids.filter(|id| !id.starts_with('$')).map(str::to_owned).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// The file with its digest made anew, as one does who changes it on purpose.
fn with_digest(mut file: Vec<u8>) -> Vec<u8> {
    file.truncate(file.len() - DIGEST_LINE);
    let digest = Sha256::digest(&file);
    file.extend(b"<!-- sha256 ");
    for byte in digest {
        write!(file, "{byte:02x}").unwrap();
    }
    file.extend(b" -->\n");
    file
}

/// Whether a line of the data is proven to the last bit.
fn is_proven(line: &str) -> bool {
    let names = ["previous", "body", "order", "entry_count", "head", "steps"];
    let hash = !line.contains(':') && line.contains("=\"");
    hash || names.iter().any(|name| line.starts_with(&format!("\"{name}\":")))
}

fn flipped(file: &[u8], at: usize) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at] ^= 1 << (at % 8);
    file
}

fn without(file: &[u8], at: usize, length: usize) -> Vec<u8> {
    [&file[..at], &file[at + length..]].concat()
}

#[test]
fn a_verifier_in_another_language_verifies_what_was_exported() {
    let Some(python) = Python::find() else { return };
    let evidence = Evidence::export(&[]);
    let verified = evidence.verify(&python, &[]);
    assert!(verified.ok().starts_with("verified: "), "{}", verified.out);
    let absent = "order erp/never-seen (asked): absent: it had no entry\n";
    assert!(verified.out.contains(absent), "{}", verified.out);
    evidence.verify(&python, &["--covers", "1000000000"]).failed(1);
    let path = evidence.path.to_str().unwrap();
    python.verify(&[path, "--key", ANOTHER_KEY]).failed(1);
    python.verify(&[path]).failed(2);

    let before = Evidence::export(&["--as-of-offset", "20"]);
    let verified = before.verify(&python, &[]);
    assert!(verified.ok().contains(" not shown\n"), "{}", verified.out);
}

#[test]
fn a_verifier_in_another_language_notices_accidents() {
    let Some(python) = Python::find() else { return };
    let evidence = Evidence::export(&[]);
    let file = &evidence.file;
    let spread = (0..200).map(|step| step * file.len() / 200);
    let mut changed: Vec<_> = spread.map(|at| flipped(file, at)).collect();
    for length in [0, 1, 40, file.len() / 2, file.len() - DIGEST_LINE, file.len() - 1] {
        changed.push(file[..length].to_vec());
    }
    evidence.none_is_verified(&python, &changed, &["unreadable: "]);
}

#[test]
fn a_verifier_in_another_language_finds_what_was_changed_on_purpose() {
    let Some(python) = Python::find() else { return };
    let evidence = Evidence::export(&[]);
    let (file, data) = (&evidence.file, evidence.data());
    let mut places = Vec::new();
    let mut changed = Vec::new();
    for (at, line) in data {
        if let Some(recorded) = line.find(",\"recorded_at\"") {
            places.extend(at + recorded..at + line.len());
            // Such a line is not the last event of its order.
            if line.ends_with("},\n") {
                changed.push(with_digest(without(file, at, line.len())));
            }
        } else if line.starts_with("\"checkpoint\":") {
            let signature = at + line.len() - 20;
            changed.push(with_digest(flipped(file, signature)));
        } else if is_proven(line) {
            places.extend(at..at + line.len());
        }
    }
    assert!(changed.len() > 2, "there are events to leave out");
    let spread = (0..200).map(|step| places[step * places.len() / 200]);
    changed.extend(spread.map(|at| with_digest(flipped(file, at))));
    evidence.none_is_verified(&python, &changed, &["tampered: "]);
}

#[test]
fn a_verifier_in_another_language_computes_the_vectors_of_the_document() {
    let Some(python) = Python::find() else { return };
    let document = root().join("docs/evidence.md");
    python.verify(&["--self-test", document.to_str().unwrap()]).ok();
}
