//! Keeps secrets out of quoted text: what a server or client wrote (an `-ERR`, a log line) may carry a URL with a
//! password, a JWT or a piece of CONNECT. Every free text passes here before it is written.
use super::octets;
use std::borrow::Cow;

/// What stands where a secret stood.
const MASKED: &str = "***";

/// Words that announce a secret when `:` or `=` follows.
const KEYS: [&str; 10] =
    ["pass", "password", "passwd", "token", "auth_token", "jwt", "sig", "signature", "secret", "nkey_seed"];

/// `text` without passwords, tokens, JWTs and signatures: `user:***@host`, `token=***`, `***` for `eyJ…`.
#[must_use]
pub fn mask(text: &str) -> Cow<'_, str> {
    mask_odd(text, octets::odd(text.as_bytes()))
}

/// The same, where it is known what octets it has.
pub(super) fn mask_odd(text: &str, odd: u8) -> Cow<'_, str> {
    if !suspicious(text.as_bytes(), odd) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let fresh = !text[..at].ends_with(|p: char| p.is_ascii_alphanumeric() || p == '_');
        if fresh
            && let Some((shown, secret)) = jwt(rest).or_else(|| key_value(rest)).or_else(|| user_info(rest))
        {
            out.push_str(&rest[..shown]);
            out.push_str(MASKED);
            at += shown + secret;
        } else {
            out.push(c);
            at += c.len_utf8();
        }
    }
    Cow::Owned(out)
}

/// The cheap question asked of every text: is there anything that could announce a secret?
fn suspicious(bytes: &[u8], odd: u8) -> bool {
    if odd & octets::TELLING == 0 {
        return odd & octets::COLON != 0
            && memchr::memchr_iter(b':', bytes).any(|colon| ends_with_key(&bytes[..colon]));
    }
    octets::any_telling(bytes, |i| match bytes[i] {
        b'@' => true,
        b'J' => bytes[..i].ends_with(b"ey"),
        _ => ends_with_key(&bytes[..i]),
    })
}

fn ends_with_key(before: &[u8]) -> bool {
    // An address before its port.
    if before.last().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let word_end = before.iter().rposition(|b| b.is_ascii_alphanumeric()).map_or(0, |i| i + 1);
    let word = &before[..word_end];
    let last = word.last().map_or(0, u8::to_ascii_lowercase);
    b"denstg".contains(&last) // the last letters of KEYS
        && KEYS.iter().any(|key| {
            word.len() >= key.len() && word[word.len() - key.len()..].eq_ignore_ascii_case(key.as_bytes())
        })
}

/// `eyJ…`: a JSON Web Token (or any base64 of a JSON object): nothing shown, all of it secret.
fn jwt(rest: &str) -> Option<(usize, usize)> {
    let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c))).unwrap_or(rest.len());
    (rest.starts_with("eyJ") && len >= 8).then_some((0, len))
}

/// `"pass":"x"`, `token=x`, `sig: 'x'`, also with the quotes escaped: how much to show, how much is secret.
fn key_value(rest: &str) -> Option<(usize, usize)> {
    let word = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    if !KEYS.iter().any(|key| rest[..word].eq_ignore_ascii_case(key)) {
        return None;
    }
    let quotes = |s: &str| s.len() - s.trim_start_matches(['\\', '"', '\'']).len();
    let close = quotes(&rest[word..]);
    let mark = rest[word + close..].chars().next().filter(|c| *c == ':' || *c == '=')?;
    let after = word + close + 1;
    let spaces = rest[after..].len() - rest[after..].trim_start_matches(' ').len();
    let open = quotes(&rest[after + spaces..]);
    if mark == ':' && spaces > 0 && close == 0 && open == 0 {
        return None; // prose: "bad token: it has no dots"
    }
    let start = after + spaces + open;
    let value = &rest[start..];
    let ends =
        |c: char| if open > 0 { "\\\"'".contains(c) } else { c.is_whitespace() || ",;&}\"'".contains(c) };
    let len = value.find(ends).unwrap_or(value.len());
    (len > 0).then_some((start, len))
}

/// `user:password@host`, `nats://token@host`: a user's name stays.
fn user_info(rest: &str) -> Option<(usize, usize)> {
    let scheme = rest
        .find("://")
        .filter(|&i| i > 0 && rest[..i].bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+'));
    let start = scheme.map_or(0, |i| i + 3);
    let authority = &rest[start..];
    let end =
        authority.find(|c: char| c.is_whitespace() || "/\"'<>(),".contains(c)).unwrap_or(authority.len());
    let at = authority[..end].rfind('@')?;
    match authority[..at].find(':') {
        Some(colon) if colon + 1 < at => Some((start + colon + 1, at - colon - 1)),
        None if scheme.is_some() && at > 0 => Some((start, at)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn secrets_go() {
        for (text, want) in [
            ("dial nats://bob:s3cr3t@10.0.0.5:4222/x failed", "dial nats://bob:***@10.0.0.5:4222/x failed"),
            ("tls://tok3n@n1:4222", "tls://***@n1:4222"),
            ("as bob:s3c@r3t@n1", "as bob:***@n1"),
            (
                r#"CONNECT {"user":"bob","pass":"s3cr3t","sig":"xx"}"#,
                r#"CONNECT {"user":"bob","pass":"***","sig":"***"}"#,
            ),
            (r#"proto='{\"auth_token\":\"s3cr3t\",\"v\":1}'"#, r#"proto='{\"auth_token\":\"***\",\"v\":1}'"#),
            ("expired eyJ0eXAiOiJKV1QifQ.eyJh.c-_ for é", "expired *** for é"),
            ("token=s3cr3t, Password: 's3cr3t'", "token=***, Password: '***'"),
        ] {
            assert_eq!(mask(text), want);
            assert!(!mask(text).contains("3cr3t"));
        }
    }

    #[test]
    fn prose_stays() {
        for text in [
            "client's receive window was 0 for 10.1 s (write_deadline is 10 s by default)",
            "Permissions Violation for Publish to \"a.token.b\"",
            "bad token: it has no dots",
            "10.0.0.7:51234 → 10.0.0.5:4222 at 12:03:14",
            "JetStream is on, eyJ",
            "write to ops@example.com",
        ] {
            assert_eq!(mask(text), text);
        }
    }
}
