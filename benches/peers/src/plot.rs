//! Plots as SVG: bars for peers beside each other, or lines over a size. Knows no figures by
//! itself.

use std::fmt::Write as _;

use crate::figures::{Spread, figure};
use crate::server::Kind;

const WIDTH: f64 = 720.0;
const LEFT: f64 = 170.0;
const RIGHT: f64 = 110.0;
const BAR: f64 = 15.0;
const GAP: f64 = 12.0;
const HEAD: f64 = 58.0;

/// One group of bars.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) bars: Vec<(Kind, Spread)>,
}

fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Ledger => "#1b6ca8",
        Kind::Umadb => "#e08e2b",
        Kind::Tephra => "#6a9f4f",
        Kind::Postgres => "#8a6fb0",
        Kind::Echo => "#b5b5b5",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn begin(height: f64, (title, unit): (&str, &str)) -> String {
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    text(&mut svg, (12.0, 20.0), "start", &format!("{title} ({unit})"));
    svg
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = escaped(words);
    let _ =
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>");
}

fn legend(svg: &mut String, kinds: &[Kind]) {
    for (at, kind) in kinds.iter().enumerate() {
        let x = 12.0 + at as f64 * 112.0;
        let fill = colour(*kind);
        let _ =
            writeln!(svg, "<rect x=\"{x}\" y=\"31\" width=\"11\" height=\"11\" fill=\"{fill}\"/>");
        text(svg, (x + 16.0, 41.0), "start", kind.title());
    }
}

/// Bars, the longest as long as there is room; a line shows the least and the most of the rounds.
pub(crate) fn bars(title: &str, unit: &str, groups: &[Group]) -> String {
    let mut kinds: Vec<Kind> =
        groups.iter().flat_map(|group| &group.bars).map(|bar| bar.0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let heights = groups.iter().map(|group| group.bars.len() as f64 * BAR + GAP);
    let height = HEAD + heights.sum::<f64>() + 6.0;
    let most = groups.iter().flat_map(|group| &group.bars).map(|(_, value)| value.most);
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| value / most * (WIDTH - LEFT - RIGHT);
    let mut svg = begin(height, (title, unit));
    legend(&mut svg, &kinds);
    let mut y = HEAD;
    for group in groups {
        let middle = y + group.bars.len() as f64 * BAR / 2.0 + 4.0;
        text(&mut svg, (LEFT - 10.0, middle), "end", &group.name);
        for (kind, value) in &group.bars {
            let (long, fill) = (length(value.median).max(1.0), colour(*kind));
            let (least, longest) = (LEFT + length(value.least), LEFT + length(value.most));
            let (high, line) = (BAR - 3.0, y + BAR / 2.0 - 1.5);
            let _ = writeln!(
                svg,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"{high}\" \
                 fill=\"{fill}\"/>\n\
                 <line x1=\"{least:.1}\" x2=\"{longest:.1}\" y1=\"{line:.1}\" y2=\"{line:.1}\" \
                 stroke=\"#222\"/>"
            );
            text(
                &mut svg,
                (longest.max(LEFT + long) + 6.0, y + 10.0),
                "start",
                &figure(value.median),
            );
            y += BAR;
        }
        y += GAP;
    }
    svg + "</svg>\n"
}

/// A line for each peer, over sizes that are drawn as logarithms.
pub(crate) fn lines(title: &str, unit: &str, series: &[(Kind, Vec<(f64, f64)>)]) -> String {
    const HEIGHT: f64 = 300.0;
    const BOTTOM: f64 = 262.0;
    const TOP: f64 = 66.0;
    let points = || series.iter().flat_map(|(_, points)| points);
    let least = points().map(|point| point.0.ln()).fold(f64::MAX, f64::min);
    let largest = points().map(|point| point.0.ln()).fold(f64::MIN, f64::max);
    let most = points().map(|point| point.1).fold(f64::MIN_POSITIVE, f64::max);
    let span = (largest - least).max(f64::MIN_POSITIVE);
    let place = |point: &(f64, f64)| {
        let x = 60.0 + (point.0.ln() - least) / span * (WIDTH - 150.0);
        (x, BOTTOM - point.1 / most * (BOTTOM - TOP))
    };
    let mut svg = begin(HEIGHT, (title, unit));
    let kinds: Vec<Kind> = series.iter().map(|(kind, _)| *kind).collect();
    legend(&mut svg, &kinds);
    let _ = writeln!(
        svg,
        "<line x1=\"40\" x2=\"{:.0}\" y1=\"{BOTTOM}\" y2=\"{BOTTOM}\" stroke=\"#999\"/>",
        WIDTH - 20.0
    );
    for (kind, points) in series {
        let path: Vec<String> = points
            .iter()
            .map(|point| {
                let (x, y) = place(point);
                format!("{x:.1},{y:.1}")
            })
            .collect();
        let (path, stroke) = (path.join(" "), colour(*kind));
        let _ = writeln!(
            svg,
            "<polyline points=\"{path}\" fill=\"none\" stroke=\"{stroke}\" stroke-width=\"2\"/>"
        );
        for point in points {
            let (x, y) = place(point);
            let _ =
                writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{stroke}\"/>");
            text(&mut svg, (x, y - 8.0), "middle", &figure(point.1));
            let size = format!("{} million", figure(point.0 / 1e6));
            text(&mut svg, (x, BOTTOM + 18.0), "middle", &size);
        }
    }
    svg + "</svg>\n"
}
