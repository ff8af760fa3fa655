//! The page of a file of evidence: what is shown, what is proven, what is not, and how to check it.
//! A pure function of what is shown. Does not know proofs.

mod order;

use super::shown::Shown;
use super::{Evidence, PRODUCT_VERSION, json};
use crate::audit::html::Html;
use crate::time::{rfc3339, signed, timestamp};

const STYLE: &str = "<style>
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;max-width:76em;margin:auto;padding:1em}
div{overflow-x:auto}
table{border-collapse:collapse;margin:.5em 0}
th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0;border-bottom:1px solid #8886}
code{overflow-wrap:anywhere}
@media print{body{font-size:9pt;max-width:none}tr{break-inside:avoid}}
</style>";

const CHECK: &str = "<h2>How to check it</h2>
<p><code>order-ledger verify bundle FILE --key KEYFILE</code> needs neither server nor ledger. \
Take the key from whom you trust, never from this file. This page alone shows nothing: the check \
makes it again from the proven events and compares it byte for byte. By hand, or with a program of \
your own: docs/evidence.md of Order Ledger has every step.</p>
";

const TIERS: &str = "<h2>What it shows, and what it does not</h2>
<div><table>
<tr><th>Needed<th>Found<th>Missed
<tr><td>this file and a key<td>events of these orders left out, changed, moved or back-dated; a \
false &quot;no such order&quot;<td>a directory that was rewritten, with the surplus as a phantom \
count of another order
<tr><td>299 random entries<td>a fraud of 1 %, with 95 % certainty<td>one hidden event in a billion
<tr><td>the whole log<td>all of this<td>nothing of this kind
</table></div>
<p>Nothing is said of what came after the seal. Not proven: ledger id, time of making, policy; \
offsets before an order&#39;s last one, beyond their sequence; that no further order names one of \
these; that an event tells the truth. Whoever holds log and key can sign another history that \
nobody kept: compare checkpoints kept elsewhere.</p>
";

/// The page, from its root element up to where the data follows.
pub(super) fn page(evidence: &Evidence, shown: &Shown<'_>) -> String {
    let mut html = Html::default();
    html.raw("<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.raw("<meta name=\"viewport\" content=\"width=device-width\">\n<title>Evidence: ");
    html.text(names(shown)).raw("</title>\n").raw(STYLE).raw("\n</head>\n<body>\n<h1>Evidence: ");
    html.text(names(shown)).raw("</h1>\n");
    basis(&mut html, evidence);
    for order in &shown.orders {
        order::section(&mut html, order, evidence.basis.offset);
    }
    proven(&mut html, evidence, shown);
    html.raw(CHECK).raw(TIERS);
    html.into_string()
}

/// The first of the orders that were asked for, and how many there are.
fn names(shown: &Shown<'_>) -> String {
    let mut asked = shown.orders.iter().filter(|order| order.is_asked());
    let first = asked.next().map(|order| order.correlation_id).unwrap_or_default();
    match asked.count() {
        0 => first.to_owned(),
        more => format!("{first} and {more} more"),
    }
}

/// All that the data says of the file as a whole stands here to the last digit.
fn basis(html: &mut Html, evidence: &Evidence) {
    let as_of = evidence.basis.as_of;
    let exact = |ns: i64| rfc3339(&timestamp(ns), None);
    html.raw("<p>Shown as of offset ").text(evidence.basis.offset.to_string());
    if let Some(offset) = as_of.offset {
        html.raw(", asked for as of offset ").text(offset.to_string());
    }
    if let Some(recorded_at_ns) = as_of.recorded_at_ns {
        html.raw(", what was recorded until ").text(exact(signed(recorded_at_ns)));
    }
    if let Some(occurred_at_ns) = as_of.occurred_at_ns {
        html.raw(", counting what had occurred by ").text(exact(occurred_at_ns));
    }
    html.raw(". Ledger <code>").text(&evidence.ledger_id).raw("</code>. Made at ");
    html.text(exact(signed(evidence.made_at_ns))).raw(" by order-ledger ").raw(PRODUCT_VERSION);
    html.raw(". Folded with the policy <code>")
        .text(json::to_text(&evidence.policy).replace('\n', " "));
    html.raw("</code>. Times are in UTC, below without fractions of seconds.</p>\n");
}

fn proven(html: &mut Html, evidence: &Evidence, shown: &Shown<'_>) {
    let entry = &evidence.seal.entry;
    html.raw("<h2>What is proven</h2>\n<p>Tamper-evident, and complete as of seal at offset ");
    html.text(entry.offset.to_string()).raw(", which covers ");
    html.text(shown.seal.covered.to_string()).raw(" entries of ");
    html.text(shown.seal.order_count.to_string()).raw(" orders, recorded at ");
    html.text(time_text(entry.recorded_at_ns)).raw(". The seal is in the log of <code>");
    html.text(&shown.checkpoint.origin).raw("</code> at ");
    html.text(shown.checkpoint.size.to_string());
    html.raw(" entries, which its key signed with the root hash <code>");
    html.text(crate::event::to_hex(&shown.checkpoint.root)).raw("</code>.</p>\n");
}

/// A time in UTC, without fractions of seconds.
fn time_text(ns: u64) -> String {
    seconds_text(Some(&timestamp(signed(ns))))
}

/// A time in UTC, without fractions of seconds; empty where there is none.
fn seconds_text(time: Option<&prost_types::Timestamp>) -> String {
    let cut = time.map(|time| prost_types::Timestamp { nanos: 0, ..*time });
    cut.map(|time| rfc3339(&time, None)).unwrap_or_default()
}
