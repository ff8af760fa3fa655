//! Audit: proofs that nothing in the log was changed or left out.
//! Does not know gRPC, nor the command line.

mod directory;
