//! Opening what can't be opened; what is live needs root and hosts of its own, see `tests/tests/live.rs`.
use super::*;

fn wanted() -> Wanted {
    Wanted { ports: crate::base::PortSet::default(), user: None, tunnels: false }
}

#[test]
fn an_unknown_interface_is_named_with_those_that_exist() {
    let error = Taps::open(&["no-such0".into()], wanted(), RING, WHOLE).err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Missing { .. }), "{text}");
    assert!(text.contains("no-such0") && text.contains("lo") && text.ends_with("any"), "{text}");
}
