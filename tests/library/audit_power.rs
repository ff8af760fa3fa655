//! The power goes while checkpoints are signed and seals are made: what was shown to somebody is
//! continued afterwards, under the same keys. Does not know files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use order_ledger::{
    Audit, AuditError, AuditOptions, Batch, Checkpoint, Disk as _, Ledger, VerifierKey,
};

use crate::found::Scene;
use crate::medium::{NewNames, Sectors, Strategy};
use crate::simulated_disk::{SimulatedDisk, Track};
use crate::support::event;
use crate::workload::{long_tests, open_on};

/// What somebody outside has seen.
#[derive(Debug, Default)]
struct Shown {
    checkpoints: Vec<Checkpoint>,
    keys: Vec<VerifierKey>,
}

fn options() -> AuditOptions {
    AuditOptions {
        checkpoint_copies: vec![PathBuf::from("/disk/copies")],
        checkpoint_interval: Duration::from_secs(3600),
        seal_interval: None,
        ..AuditOptions::default()
    }
}

fn show(audit: &Audit, shown: &mut Shown, head: u64) -> Result<(), AuditError> {
    let signed = audit.checkpoint(head)?;
    shown.keys = audit.verifier_keys().to_vec();
    shown.checkpoints.push(Checkpoint::verify(&signed.note, &shown.keys).unwrap());
    Ok(())
}

/// Two lives of a ledger with its audit, until something fails.
fn live(disk: &SimulatedDisk, shown: &mut Shown) -> Result<(), AuditError> {
    for life in 0..2 {
        let Ok(ledger) = open_on(disk) else { return Err(AuditError::Closed) };
        let ledger = Arc::new(ledger);
        let audit = Audit::open(Arc::clone(&ledger), options())?;
        for batch in 0..3 {
            let ids =
                (0..150).map(|id| event(&format!("o{}", id % 7), &format!("{life}.{batch}.{id}")));
            let head = ledger.append(Batch::of(ids))?.head;
            show(&audit, shown, head)?;
            if batch == 1 {
                audit.seal("", "", "")?;
                show(&audit, shown, ledger.head())?;
            }
        }
    }
    Ok(())
}

/// The size of the checkpoint that is kept in a place.
fn kept_in(disk: &SimulatedDisk, place: &str, origin: &str) -> Option<u64> {
    let file = disk.open(&Path::new(place).join(origin).join("latest")).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    String::from_utf8(bytes).unwrap().lines().nth(1)?.parse().ok()
}

/// Whoever kept a checkpoint can continue from it, and check an order.
fn check(disk: &SimulatedDisk, shown: &Shown) {
    if let Some(newest) = shown.checkpoints.last() {
        let own = kept_in(disk, "/disk/ledger/checkpoints", &newest.origin);
        assert!(own >= Some(newest.size), "{own:?} is kept, {} was shown", newest.size);
    }
    let ledger: Arc<Ledger> = Arc::new(open_on(disk).unwrap());
    let audit = Audit::open(Arc::clone(&ledger), options()).unwrap();
    let now = audit.checkpoint(ledger.head()).unwrap();
    let Some(newest) = shown.checkpoints.last() else { return };
    assert_eq!(audit.verifier_keys(), shown.keys, "the keys that were shown");
    assert!(now.checkpoint.size >= newest.size, "nothing smaller is signed");
    for older in &shown.checkpoints {
        let proof = audit.consistency_proof(older.size, None).unwrap();
        let root = &proof.signed.as_ref().unwrap().checkpoint.root;
        proof.verify((older.size, &older.root), root).unwrap();
    }
    let (seal, orders) = audit.order_proofs(&["o3".to_owned()], Some(newest.size)).unwrap();
    orders[0].verify(&seal.verify(&shown.keys).unwrap()).unwrap();
}

/// Seen red with checkpoints that are shown before they are kept, and with folders whose names are
/// not made durable.
#[test]
fn what_was_signed_is_continued_after_a_power_cut_anywhere() {
    let whole = SimulatedDisk::default();
    let mut shown = Shown::default();
    live(&whole, &mut shown).unwrap();
    check(&whole.after_process_end(), &shown);
    let operations = whole.operations(Track::Main);
    let stride = if long_tests() { 1 } else { 7 };
    for cut in (0..operations).step_by(stride) {
        let disk = SimulatedDisk::default();
        disk.cut_power_after(Track::Main, cut);
        let mut shown = Shown::default();
        let _ = live(&disk, &mut shown);
        let all = [
            (Sectors::None, NewNames::Lost),
            (Sectors::All, NewNames::Lost),
            (Sectors::Random, NewNames::Random),
        ];
        for (sectors, names) in all {
            let strategy = Strategy { sectors, names, seed: cut };
            let _scene = Scene(format!("power cut after operation {cut}, {strategy:?}"));
            check(&disk.after_power_cut(strategy).disk, &shown);
        }
    }
}
