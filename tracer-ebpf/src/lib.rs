//! The records that the kernel probes write and user space reads: `no_std`, integers only, no dependency.
#![no_std]
#![forbid(unsafe_code)]
