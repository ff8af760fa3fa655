//! A closed loop: each caller waits for its answer before it asks again.
//! Does not know what is asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::sync::Barrier;

/// One caller.
pub(crate) trait Caller: Send + 'static {
    /// Makes a call and waits for its answer; how many events or rows or messages it was about.
    fn call(&mut self) -> impl Future<Output = u64> + Send;
}

/// Latencies beyond this are counted as this.
const LATENCY_NS_MAX: u64 = 60_000_000_000;

/// What a run brought.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
    /// Nanoseconds of a call.
    pub(crate) latency: Histogram<u64>,
}

impl Run {
    pub(crate) fn empty() -> Self {
        let latency = Histogram::new_with_max(LATENCY_NS_MAX, 3).unwrap();
        Self { count: 0, elapsed: Duration::ZERO, latency }
    }

    pub(crate) fn record(&mut self, latency: Duration, count: u64) {
        self.latency.saturating_record(u64::try_from(latency.as_nanos()).unwrap());
        self.count += count;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.elapsed = self.elapsed.max(other.elapsed);
        self.latency.add(&other.latency).unwrap();
    }

    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.value_at_quantile(quantile) as f64 / 1e3
    }

    /// Latencies in words.
    pub(crate) fn latencies(&self) -> String {
        let [half, most] = [0.5, 0.99].map(|quantile| self.quantile_us(quantile));
        format!("p50 {half:.0} us, p99 {most:.0} us")
    }
}

/// Lets all callers call until the time is over, and counts.
pub(crate) async fn run<C: Caller>(callers: Vec<C>, time: Duration) -> (Run, Vec<C>) {
    let start = Arc::new(Barrier::new(callers.len()));
    let tasks = callers.into_iter().map(|mut caller| {
        let start = Arc::clone(&start);
        tokio::spawn(async move {
            let mut run = Run::empty();
            start.wait().await;
            let begin = Instant::now();
            let mut now = begin;
            while now.duration_since(begin) < time {
                let count = caller.call().await;
                let after = Instant::now();
                run.record(after.duration_since(now), count);
                now = after;
            }
            run.elapsed = begin.elapsed();
            (run, caller)
        })
    });
    let tasks: Vec<_> = tasks.collect();
    let mut all = Run::empty();
    let mut callers = Vec::new();
    for task in tasks {
        let (run, caller) = task.await.unwrap();
        all.add(&run);
        callers.push(caller);
    }
    (all, callers)
}

/// A warm-up, and then the runs that count.
#[derive(Debug)]
pub(crate) struct Runs<C> {
    callers: Vec<C>,
    time: Duration,
    /// What all runs counted, the warm-up included.
    pub(crate) total: u64,
}

impl<C: Caller> Runs<C> {
    /// Warms up.
    pub(crate) async fn of(callers: Vec<C>, time: Duration) -> Self {
        let (warm_up, callers) = run(callers, time / 4).await;
        Self { callers, time, total: warm_up.count }
    }

    pub(crate) async fn next(&mut self) -> Run {
        let (run, callers) = run(std::mem::take(&mut self.callers), self.time).await;
        self.callers = callers;
        self.total += run.count;
        run
    }

    /// The median of three runs by rate.
    pub(crate) async fn median(&mut self) -> Run {
        let runs = vec![self.next().await, self.next().await, self.next().await];
        median(runs, Run::rate)
    }
}

/// The one in the middle.
pub(crate) fn median<T>(mut all: Vec<T>, value: impl Fn(&T) -> f64) -> T {
    all.sort_by(|one, other| value(one).total_cmp(&value(other)));
    let middle = all.len() / 2;
    all.swap_remove(middle)
}
