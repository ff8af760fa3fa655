//! What this ledger has to reach beside its peers, as ratios within one run. Does not measure.

use crate::figures::{Figures, Work, figure};
use crate::rows::{growth, stored, written};
use crate::server::Kind;

const MEMORY_MB_MAX: f64 = 256.0;

/// One goal, and how far it was reached.
#[derive(Clone, Debug)]
pub(crate) struct Goal {
    pub(crate) name: String,
    /// What has to be reached.
    pub(crate) wanted: String,
    /// What was reached: 1 and more is enough.
    pub(crate) share: f64,
    /// The figures behind it.
    pub(crate) reached: String,
}

impl Goal {
    pub(crate) fn verdict(&self) -> &'static str {
        if self.share >= 1.0 { "reached" } else { "NOT REACHED" }
    }
}

/// All goals whose rows were measured.
pub(crate) fn of(figures: &Figures) -> Vec<Goal> {
    let mut goals = Vec::new();
    for work in figures.works() {
        goals.extend(for_work(figures, work));
    }
    goals.extend(memory(figures));
    goals.extend(flat(figures));
    goals
}

pub(crate) fn print(figures: &Figures) {
    let goals = of(figures);
    if goals.is_empty() {
        return;
    }
    println!("\ngoals");
    for goal in &goals {
        let verdict = goal.verdict();
        println!("  {verdict:<12} {}: {}; {}", goal.name, goal.wanted, goal.reached);
    }
    let missed = goals.iter().filter(|goal| goal.share < 1.0).count();
    println!("{missed} of {} goals are not reached", goals.len());
}

fn for_work(figures: &Figures, work: &Work) -> Vec<Goal> {
    let Some(own) = figures.value(work, Kind::Ledger).map(|spread| spread.median) else {
        return Vec::new();
    };
    let against = |times: f64, peer: Kind| {
        let peers = figures.value(work, peer)?.median;
        let wanted = format!("at least {times} x {}", peer.title());
        let reached = format!("{:.2} x ({} against {})", own / peers, figure(own), figure(peers));
        Some(Goal { name: work.title(), wanted, share: own / peers / times, reached })
    };
    let goals = match work.name.as_str() {
        "append guarded" | "append blind" => {
            vec![against(1.8, Kind::Umadb), against(0.75, Kind::Echo)]
        }
        "append pipelined" => vec![against(2.5, Kind::Tephra)],
        "append batches" if work.batch >= 100 => vec![
            against(2.5, Kind::Umadb),
            against(1.5, Kind::Postgres),
            against(1.2, Kind::Tephra),
        ],
        stored::REPLAY | stored::REPLAY_BODY => vec![
            against(2.5, Kind::Umadb),
            against(2.5, Kind::Tephra),
            against(1.3, Kind::Postgres),
        ],
        stored::WARM => vec![best(figures, work, 2.0)],
        stored::COLD => vec![best(figures, work, 1.0)],
        written::NAME => vec![least(figures, work, "")],
        _ => Vec::new(),
    };
    let processor = matches!(work.name.as_str(), "append guarded" | "append batches");
    let processor = processor.then(|| least(figures, work, "server cpu us")).flatten();
    goals.into_iter().flatten().chain(processor).collect()
}

const OTHERS: [Kind; 3] = [Kind::Umadb, Kind::Tephra, Kind::Postgres];

/// So many times the fastest peer.
fn best(figures: &Figures, work: &Work, times: f64) -> Option<Goal> {
    let own = figures.value(work, Kind::Ledger)?.median;
    let others = OTHERS.into_iter().filter_map(|peer| Some((figures.value(work, peer)?, peer)));
    let (best, peer) = others.max_by(|one, other| one.0.median.total_cmp(&other.0.median))?;
    let (ratio, title) = (own / best.median, peer.title());
    let reached = format!("{ratio:.2} x {title} ({} against {})", figure(own), figure(best.median));
    let wanted = format!("at least {times} x the best peer");
    Some(Goal { name: work.title(), wanted, share: ratio / times, reached })
}

/// Less than any peer, of the value itself or of something beside it.
fn least(figures: &Figures, work: &Work, beside: &str) -> Option<Goal> {
    let value = |peer| {
        if beside.is_empty() {
            // Whatever else writes to the disk only adds to it: the least is the nearest.
            figures.value(work, peer).map(|spread| spread.least)
        } else {
            figures.beside(work, peer, beside).map(|spread| spread.median)
        }
    };
    let own = value(Kind::Ledger)?;
    let others = OTHERS.into_iter().filter_map(|peer| Some((value(peer)?, peer)));
    let (least, peer) = others.min_by(|one, other| one.0.total_cmp(&other.0))?;
    let (name, unit) = if beside.is_empty() {
        (work.title(), "bytes")
    } else {
        (format!("processor, {}", work.title()), "us an event")
    };
    let reached = format!("{} {unit}; {} {}", figure(own), peer.title(), figure(least));
    let wanted = "less than any peer".to_owned();
    // As much is not less.
    Some(Goal { name, wanted, share: least / own.max(1e-9) - 1e-9, reached })
}

fn memory(figures: &Figures) -> Option<Goal> {
    let own = figures.measures.iter().filter(|measure| measure.peer == Kind::Ledger);
    let seen = own.filter_map(|measure| Some((*measure.beside.get("own MB")?, &measure.work)));
    let (most, work) = seen.max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(Goal {
        name: "peak memory of all rows".to_owned(),
        wanted: format!("under {MEMORY_MB_MAX} MB"),
        share: MEMORY_MB_MAX / most,
        reached: format!("{} MB at {} (without mapped files)", figure(most), work.title()),
    })
}

/// The largest size against the smallest.
fn flat(figures: &Figures) -> Vec<Goal> {
    let sizes = |name: &str| {
        let works = figures.works().into_iter().filter(|work| work.name == name);
        let mut works: Vec<&Work> = works.collect();
        works.sort_by_key(|work| work.stored);
        Some((*works.first()?, *works.last()?)).filter(|(first, last)| first != last)
    };
    let millions = |work: &Work| figure(work.stored as f64 / 1e6);
    let mut goals = Vec::new();
    if let Some((first, last)) = sizes(growth::APPEND) {
        let rate = |work| figures.value(work, Kind::Ledger).map(|spread| spread.median);
        if let (Some(before), Some(after)) = (rate(first), rate(last)) {
            goals.push(Goal {
                name: format!("appends at {} against {} million", millions(last), millions(first)),
                wanted: "at least 80 %".to_owned(),
                share: after / before / 0.8,
                reached: format!("{:.0} % ({} events/s)", after / before * 1e2, figure(after)),
            });
        }
    }
    if let Some((first, last)) = sizes(growth::TIMELINE) {
        let p99 = |work| figures.beside(work, Kind::Ledger, "p99 us").map(|spread| spread.median);
        if let (Some(before), Some(after)) = (p99(first), p99(last)) {
            let (small, large) = (millions(first), millions(last));
            goals.push(Goal {
                name: format!("timeline p99 at {large} against {small} million"),
                wanted: "at most 120 %".to_owned(),
                share: before * 1.2 / after,
                reached: format!("{:.0} % ({} us)", after / before * 1e2, figure(after)),
            });
        }
    }
    goals
}
