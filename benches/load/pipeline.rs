//! Callers that do not wait: each has a window of requests under way on one stream.
//! Does not know what is sent.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_stream::Stream;

use super::callers::Run;
use super::client::BytesClient;

/// What a pipelining caller sends and gets.
pub(crate) trait Exchange: Clone + Send + 'static {
    /// The request of a number.
    fn request(&mut self, number: u64) -> Bytes;
    /// Looks at the answer to the request of a number; how many events it was about.
    fn answered(&self, number: u64, answer: Bytes) -> u64;
}

/// Requests under way.
#[derive(Debug, Default)]
struct UnderWay {
    sent: VecDeque<Instant>,
    waiting: Option<Waker>,
}

/// The requests of one caller, as long as the window is open.
struct Requests<E> {
    exchange: E,
    under_way: Arc<Mutex<UnderWay>>,
    window: usize,
    next: u64,
    end: Instant,
}

impl<E> Unpin for Requests<E> {}

impl<E: Exchange> Stream for Requests<E> {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let now = Instant::now();
        if now >= self.end {
            return Poll::Ready(None);
        }
        {
            let mut under_way = self.under_way.lock().unwrap();
            if under_way.sent.len() >= self.window {
                under_way.waiting = Some(context.waker().clone());
                return Poll::Pending;
            }
            under_way.sent.push_back(now);
        }
        self.next += 1;
        let number = self.next;
        Poll::Ready(Some(self.exchange.request(number)))
    }
}

/// One stream of requests, answered in order, until the time is over.
async fn stream<E: Exchange>(
    mut client: BytesClient,
    method: &'static str,
    exchange: E,
    (window, time): (usize, Duration),
) -> Run {
    let under_way = Arc::new(Mutex::new(UnderWay::default()));
    let begin = Instant::now();
    let checks = exchange.clone();
    let shared = Arc::clone(&under_way);
    let requests = Requests { exchange, under_way: shared, window, next: 0, end: begin + time };
    let mut answers = client.streaming(method, requests).await.unwrap();
    let mut run = Run::empty();
    let mut number = 0;
    while let Some(answer) = answers.message().await.unwrap() {
        number += 1;
        let count = checks.answered(number, answer);
        let (sent, waiting) = {
            let mut under_way = under_way.lock().unwrap();
            (under_way.sent.pop_front().unwrap(), under_way.waiting.take())
        };
        run.record(sent.elapsed(), count);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
    run.elapsed = begin.elapsed();
    run
}

/// Several callers at once, each with a stream of its own.
pub(crate) async fn run<E: Exchange>(
    callers: Vec<(BytesClient, E)>,
    method: &'static str,
    (window, time): (usize, Duration),
) -> Run {
    let streams = callers
        .into_iter()
        .map(|(client, exchange)| tokio::spawn(stream(client, method, exchange, (window, time))));
    let streams: Vec<_> = streams.collect();
    let mut all = Run::empty();
    for stream in streams {
        all.add(&stream.await.unwrap());
    }
    all
}
