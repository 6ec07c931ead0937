//! Values of options: how they are read.
use super::near;
use crate::base::Span;
use crate::cause::Settings;
use clap::ValueEnum;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

/// `--format`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `--color`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// `--monitor`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Monitor {
    /// Find the endpoint.
    Auto,
    /// There, without a slash at the end.
    Url(String),
}

impl FromStr for Monitor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let host = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or_default();
        if host.is_empty() || host.starts_with(['/', ':']) || host.contains(char::is_whitespace) {
            return Err("write auto, or a URL like http://127.0.0.1:8222".to_owned());
        }
        Ok(Self::Url(url.trim_end_matches('/').to_owned()))
    }
}

/// One server setting of `--assume`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Assumption {
    /// `write_deadline`.
    WriteDeadline(Span),
    /// `ping_interval`.
    PingInterval(Span),
    /// `ping_max`.
    PingMax(u32),
    /// `auth_timeout`.
    AuthTimeout(Span),
    /// `tls_timeout`.
    TlsTimeout(Span),
    /// `max_payload`.
    MaxPayload(u64),
    /// `max_control_line`.
    MaxControlLine(u32),
    /// `max_pending`.
    MaxPending(u64),
}

const SETTINGS: [&str; 8] = [
    "write_deadline",
    "ping_interval",
    "ping_max",
    "auth_timeout",
    "tls_timeout",
    "max_payload",
    "max_control_line",
    "max_pending",
];

impl FromStr for Assumption {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, like write_deadline=2s")?;
        let (key, value) = (key.trim(), value.trim());
        Ok(match key {
            "write_deadline" => Self::WriteDeadline(positive(value)?),
            "ping_interval" => Self::PingInterval(positive(value)?),
            "ping_max" => Self::PingMax(value.parse().map_err(|_| format!("'{value}' is no number"))?),
            "auth_timeout" => Self::AuthTimeout(positive(value)?),
            "tls_timeout" => Self::TlsTimeout(positive(value)?),
            "max_payload" => Self::MaxPayload(size(value)?),
            "max_control_line" => {
                Self::MaxControlLine(u32::try_from(size(value)?).map_err(|_| "too large".to_owned())?)
            }
            "max_pending" => Self::MaxPending(size(value)?),
            _ => return Err(near::unknown("setting", key, &SETTINGS)),
        })
    }
}

impl Assumption {
    /// Writes it into the settings.
    pub(super) const fn apply(self, settings: &mut Settings) {
        settings.told = true;
        match self {
            Self::WriteDeadline(span) => settings.write_deadline = span,
            Self::PingInterval(span) => settings.ping_interval = span,
            Self::PingMax(n) => settings.ping_max = n,
            Self::AuthTimeout(span) => settings.auth_timeout = span,
            Self::TlsTimeout(span) => settings.tls_timeout = span,
            Self::MaxPayload(n) => settings.max_payload = n,
            Self::MaxControlLine(n) => settings.max_control_line = n,
            Self::MaxPending(n) => settings.max_pending = n,
        }
    }
}

/// A duration above zero.
pub(super) fn positive(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span > Span::ZERO => Ok(span),
        Ok(_) => Err("must be more than zero".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// `64MiB`, `1.5GB`, `4096`: bytes, at least one.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let bad = || format!("'{text}' is no size; write 64MiB, 100MB or a number of bytes");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "k" | "kib" => 1 << 10,
        "mb" => 1_000_000,
        "m" | "mib" => 1 << 20,
        "gb" => 1_000_000_000,
        "g" | "gib" => 1 << 30,
        _ => return Err(bad()),
    };
    let bytes = number.parse::<f64>().map_err(|_| bad())? * factor as f64;
    if (1.0..9e15).contains(&bytes) { Ok(bytes as u64) } else { Err(bad()) }
}

/// `9100`, `:9100` (loopback) or `0.0.0.0:9100`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.strip_prefix(':').unwrap_or(text).parse() {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.replacen("localhost", "127.0.0.1", 1)
        .parse()
        .map_err(|_| format!("'{text}' is no address; write 127.0.0.1:9100, or a port for loopback"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in
            [("64MiB", 64 << 20), ("1.5kb", 1500), ("4096", 4096), ("2 GiB", 2 << 30), ("1m", 1 << 20)]
        {
            assert_eq!(size(text), Ok(want), "{text}");
        }
        for bad in ["", "0", "x", "5q", "-1", "1e99", "MiB"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn listen_addresses() {
        for (text, want) in [
            ("9100", "127.0.0.1:9100"),
            (":9100", "127.0.0.1:9100"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0:9100", "0.0.0.0:9100"),
            ("[::1]:9100", "[::1]:9100"),
        ] {
            assert_eq!(listen(text).map(|a| a.to_string()), Ok(want.to_owned()));
        }
        assert!(listen("x").is_err() && listen("70000").is_err());
    }

    #[test]
    fn monitors() {
        assert_eq!("auto".parse(), Ok(Monitor::Auto));
        assert_eq!("n1:8222".parse(), Ok(Monitor::Url("http://n1:8222".into())));
        assert_eq!("https://n1:8222/".parse(), Ok(Monitor::Url("https://n1:8222".into())));
        for bad in ["", "ftp://x", "http://", "a b"] {
            assert!(bad.parse::<Monitor>().is_err(), "{bad}");
        }
    }

    #[test]
    fn assumptions() {
        assert_eq!("write_deadline=2s".parse(), Ok(Assumption::WriteDeadline(Span::secs(2))));
        assert_eq!("max_payload = 8MiB".parse(), Ok(Assumption::MaxPayload(8 << 20)));
        let error = "write_dedline=2s".parse::<Assumption>().unwrap_err();
        assert!(error.contains("write_deadline"), "{error}");
        for bad in ["write_deadline", "ping_max=x", "ping_interval=0s"] {
            assert!(bad.parse::<Assumption>().is_err(), "{bad}");
        }
    }
}
