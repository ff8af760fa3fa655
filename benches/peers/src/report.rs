//! Tables and plots of figures, as Markdown and SVG. Does not measure, and leaves nothing out.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::figures::{Figures, Spread, Work, figure, peers_of};
use crate::goals;
use crate::plot::{self, Group};
use crate::rows::{growth, stored, written};
use crate::server::{Kind, PEERS};

/// A plot of one kind of row.
struct Plot {
    file: &'static str,
    name: &'static str,
    title: &'static str,
}

const PLOTS: [Plot; 9] = [
    plot_of("append-guarded", "append guarded", "Appends of one event, guarded"),
    plot_of("append-batches", "append batches", "Appends of batches"),
    plot_of("append-pipelined", "append pipelined", "Pipelined appends of one event"),
    plot_of("mixed", "mixed 90 % appends 10 % timelines", "Appends and timelines, 9 to 1"),
    plot_of("replay", "replay", "Replays to one reader"),
    plot_of("timeline-warm", stored::WARM, "Timelines, warm"),
    plot_of("timeline-cold", stored::COLD, "Timelines, cold"),
    plot_of("opening", "opening", "From the start of the server to its first answer"),
    plot_of("written", written::NAME, "Bytes that the disk writes for an event"),
];

const fn plot_of(file: &'static str, name: &'static str, title: &'static str) -> Plot {
    Plot { file, name, title }
}

/// Writes the tables into a file and the plots into the folder `plots` beside it.
pub(crate) fn write(figures: &Figures, out: &Path) -> Result<(), String> {
    let error = |error: std::io::Error| format!("{}: {error}", out.display());
    let plots = out.parent().unwrap_or_else(|| Path::new(".")).join("plots");
    std::fs::create_dir_all(&plots).map_err(error)?;
    let mut text = String::new();
    head(&mut text, figures);
    goals_table(&mut text, figures);
    for (file, title, svg) in drawn(figures) {
        std::fs::write(plots.join(&file), svg).map_err(error)?;
        let _ = writeln!(text, "![{title}](plots/{file})\n");
    }
    tables(&mut text, figures);
    notes(&mut text, figures);
    std::fs::write(out, text).map_err(error)?;
    println!("{} and its plots are written", out.display());
    Ok(())
}

fn head(text: &mut String, figures: &Figures) {
    let about = &figures.about;
    let _ = writeln!(
        text,
        "# Side by side\n\nMade by `benches/peers` ({}); run it to repeat this. Every figure is \
         the median of the rounds of one run, with the least and the most in parentheses; figures of \
         two runs do not compare.\n\n```text\n{}\n```\n",
        about.date, about.command
    );
    let _ = writeln!(text, "| what | |\n|---|---|");
    for (name, fact) in about.machine.iter().chain(&about.peers).chain(&about.settings) {
        let _ = writeln!(text, "| {name} | {fact} |");
    }
    text.push('\n');
}

fn goals_table(text: &mut String, figures: &Figures) {
    let goals = goals::of(figures);
    if goals.is_empty() {
        return;
    }
    let missed = goals.iter().filter(|goal| goal.share < 1.0).count();
    let _ = writeln!(
        text,
        "## Goals\n\n{missed} of {} are not reached.\n\n\
         | work | goal | reached | |\n|---|---|---|---|",
        goals.len()
    );
    for goal in goals {
        let verdict = if goal.share >= 1.0 { "reached" } else { "**not reached**" };
        let _ =
            writeln!(text, "| {} | {} | {} | {verdict} |", goal.name, goal.wanted, goal.reached);
    }
    text.push('\n');
}

/// A figure of a row with a peer.
type Value<'a> = &'a dyn Fn(&Work, Kind) -> Option<Spread>;

/// Every plot that there are figures for: its file, its title, and itself.
fn drawn(figures: &Figures) -> Vec<(String, &'static str, String)> {
    let mut all = Vec::new();
    for plot in &PLOTS {
        let works = figures.works().into_iter();
        let mut groups = Vec::new();
        let mut unit = "";
        for work in works.filter(|work| work.name.starts_with(plot.name)) {
            let bars = |kind: Kind| Some((kind, figures.value(work, kind)?));
            let bars = peers_of(figures, work).into_iter().filter_map(bars).collect();
            unit =
                figures.measures.iter().find(|one| one.work == *work).map_or("", |one| &one.unit);
            groups.push(Group { name: short(work, plot.name), bars });
        }
        if !groups.is_empty() {
            let svg = plot::bars(plot.title, unit, &groups);
            all.push((format!("{}.svg", plot.file), plot.title, svg));
        }
    }
    all.extend(grown(figures));
    all
}

/// What tells a row from the others of its plot.
fn short(work: &Work, plot: &str) -> String {
    let rest = work.name.strip_prefix(plot).unwrap_or(&work.name).trim();
    let mut words = if rest.is_empty() { Vec::new() } else { vec![rest.to_owned()] };
    let mut add = |count: u64, unit: &str| {
        if count > 0 {
            words.push(format!("{} {unit}", figure(count as f64)));
        }
    };
    if work.callers > 1 || rest.is_empty() {
        add(work.callers, if work.callers == 1 { "caller" } else { "callers" });
    }
    if work.batch > 1 {
        add(work.batch, "each");
    }
    add(work.in_flight, "in flight");
    words.join(", ")
}

fn grown(figures: &Figures) -> Vec<(String, &'static str, String)> {
    let median = |work: &Work, kind: Kind| figures.value(work, kind);
    let p99 = |work: &Work, kind: Kind| figures.beside(work, kind, "p99 us");
    let memory = |work: &Work, kind: Kind| figures.beside(work, kind, "own MB");
    let wanted: [(&str, &str, &'static str, &str, Value<'_>); 5] = [
        (
            "growth-append.svg",
            growth::APPEND,
            "Appends of 32 callers as the store grows",
            "events/s",
            &median,
        ),
        ("growth-append-p99.svg", growth::APPEND, "Appends of 32 callers, p99", "us", &p99),
        ("growth-timeline-p99.svg", growth::TIMELINE, "Timelines of 8 callers, p99", "us", &p99),
        ("growth-memory.svg", growth::APPEND, "Memory without mapped files", "MB", &memory),
        ("growth-opening.svg", growth::OPEN, "Opening after a clean stop", "ms", &median),
    ];
    let mut all = Vec::new();
    for (file, name, title, unit, value) in wanted {
        let mut series: BTreeMap<Kind, Vec<(f64, f64)>> = BTreeMap::new();
        for work in figures.works().into_iter().filter(|work| work.name == name) {
            for kind in PEERS {
                if let Some(spread) = value(work, kind) {
                    series.entry(kind).or_default().push((work.stored as f64, spread.median));
                }
            }
        }
        if series.values().any(|points| points.len() > 1) {
            let series: Vec<_> = series.into_iter().collect();
            all.push((file.to_owned(), title, plot::lines(title, unit, &series)));
        }
    }
    all
}

/// One table for each kind of row, with everything that was seen.
fn tables(text: &mut String, figures: &Figures) {
    let mut last = "";
    for work in figures.works() {
        if work.name != last {
            let _ = writeln!(text, "\n## {}\n", capital(&work.name));
            let _ =
                writeln!(text, "| work | peer | measured | | beside it |\n|---|---|---|---|---|");
            last = &work.name;
        }
        for kind in peers_of(figures, work) {
            let Some(spread) = figures.value(work, kind) else { continue };
            let unit = &figures.rounds(work, kind)[0].unit;
            let (words, beside) = (spread.words(), figures.beside_words(work, kind));
            let (title, peer) = (work.title(), kind.title());
            let peer = if kind == Kind::Ledger { format!("**{peer}**") } else { peer.to_owned() };
            let _ = writeln!(text, "| {title} | {peer} | {words} | {unit} | {beside} |");
        }
    }
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>());
    first.unwrap_or_default() + letters.as_str()
}

fn notes(text: &mut String, figures: &Figures) {
    let _ = writeln!(
        text,
        "\n## What does not compare\n\n\
         - `own MB` is what a server had in anonymous memory at most (and shared memory once), \
         `peak MB` the high-water mark of its largest process, mapped files included.\n\
         - `server cpu us` is processor time of the server and all its processes for an event or a \
         call; as seconds for a million it is the same number."
    );
    for note in &figures.about.notes {
        let _ = writeln!(text, "- {note}");
    }
}
