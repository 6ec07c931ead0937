//! Whose doing a close was where both legs of the connection were captured: the hop that said goodbye first.
use crate::base::Side;
use crate::event::{Around, Close, Evidence, Joint, Maker, OtherLeg};

/// Adds what the other leg shows.
pub fn join(around: &Around, close: &mut Close) {
    let Some(other) = &around.other_leg else { return };
    let ends = format!("flow {} ({} to {})", other.flow, other.client, other.server);
    if other.joint == Joint::Nat {
        close.evidence.push(Evidence::packet(
            other.shown,
            format!("{ends} is this same connection on the other side of a NAT: the same sequence numbers"),
        ));
        return;
    }
    let text = format!(
        "{ends} is this same connection on the other side of a proxy: the same server_id and client_id in INFO"
    );
    close.evidence.push(Evidence::packet(other.shown, text));
    let Some(by) = close.closed_by() else { return };
    close.evidence.extend(said(other, by));
    if other.maker(by) == Maker::Joint {
        close.detail = Some("proxy");
    }
}

/// What happened on the other leg, for a close by `by` on this one.
fn said(other: &OtherLeg, by: Side) -> Option<Evidence> {
    let at = other.at;
    Some(match (other.maker(by), other.goodbye) {
        (Maker::ThisEnd, Some((_, mark))) => {
            Evidence::packet(mark, format!("the proxy passed the close on to the {at}"))
        }
        (Maker::FarEnd, Some((_, mark))) => Evidence::packet(
            mark,
            format!("the {at} said goodbye to the proxy first: the proxy passed it on"),
        ),
        (Maker::Joint, Some((_, mark))) => Evidence::packet(
            mark,
            format!("the proxy said goodbye to the {at}, too: neither client nor server had closed"),
        ),
        (Maker::Joint, None) => {
            Evidence::packets("the other side of the proxy was still open: the proxy closed this side itself")
        }
        (Maker::Unknown, _) if other.silent == Some(at) => {
            Evidence::packets(format!("on the other side of the proxy the {at} had fallen silent"))
        }
        _ => return None,
    })
}
