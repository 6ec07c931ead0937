//! F0: time, sequence numbers, addresses, sides, short texts, community id. Knows nothing of frames or NATS.
mod addr;
mod community_id;
mod ports;
mod seq;
mod short;
mod side;
mod time;

pub use addr::{Addr, Endpoint};
pub use community_id::community_id;
pub use ports::{BadPorts, PortSet};
pub use seq::Seq;
pub use short::{Octets, Short, pair};
pub use side::{PerSide, Side};
pub use time::{BadDuration, Span, Timestamp};
