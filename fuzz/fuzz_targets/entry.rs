//! Any bytes as an entry; see `order_ledger::fuzzing`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| order_ledger::fuzzing::entry(bytes));
