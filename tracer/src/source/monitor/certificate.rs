//! Why TLS with a server failed, and what to do about it.
use rustls::{CertificateError, Error};

/// A file with the CA's certificate, in the environment: OpenSSL's name for it, which is honoured here, too.
const NAME_IT: &str = "SSL_CERT_FILE=ca.pem natstrace … (under sudo: sudo SSL_CERT_FILE=ca.pem natstrace …)";

/// The failure of TLS that an attempt to ask ended with, if it was TLS.
pub(super) fn of(error: &ureq::Error) -> Option<&Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        // As the handshake's reads and writes give it.
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

/// A server that speaks TLS, but that isn't trusted.
pub(super) const fn is_refused(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(_) | Error::General(_))
}

/// In one line, with what to do next.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => format!(
            "its certificate is of no CA that this host trusts: name the file with its CA's certificate, {NAME_IT}, or add \
             that to what the host trusts (update-ca-certificates)"
        ),
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
            format!(
                "its certificate isn't for {} but for {}: ask it by a name that is in it",
                expected.to_str(),
                names.join(", ")
            )
        }
        // What webpki says of a certificate with basicConstraints CA:TRUE (RFC 5280 section 4.2.1.9).
        Error::InvalidCertificate(CertificateError::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "its certificate is a CA's own, which no server may show: give the server one that a CA signed, or a self-signed \
             one that is none (openssl req -x509 … -addext basicConstraints=critical,CA:FALSE)"
                .to_owned()
        }
        Error::InvalidCertificate(CertificateError::ExpiredContext { .. } | CertificateError::Expired) => {
            "its certificate has expired: give the server a new one".to_owned()
        }
        Error::InvalidMessage(_) => "it doesn't speak TLS there: write http://".to_owned(),
        Error::General(text) if text.contains("CA certificates") => format!(
            "this host has no CA certificates to trust: install them (Debian: ca-certificates), or name a file, {NAME_IT}"
        ),
        other => format!("TLS: {other}"),
    }
}

/// `n1` of `DnsName("n1")`, `10.0.0.5` of `IpAddress(10.0.0.5)`.
fn bare(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn what_went_wrong_leads_on() {
        for (error, want) in [
            (Error::InvalidCertificate(CertificateError::UnknownIssuer), "SSL_CERT_FILE="),
            (Error::InvalidCertificate(CertificateError::Expired), "expired"),
            (Error::General("No CA certificates were loaded from the system".into()), "ca-certificates"),
            (Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType), "http://"),
        ] {
            let wrapped = ureq::Error::Io(io::Error::new(io::ErrorKind::InvalidData, error));
            let found = of(&wrapped).map(told);
            assert!(found.as_ref().is_some_and(|text| text.contains(want)), "{found:?}");
        }
        assert!(of(&ureq::Error::Io(io::ErrorKind::ConnectionRefused.into())).is_none());
    }

    #[test]
    fn names_of_a_certificate() {
        assert_eq!(bare("DnsName(\"n1\")"), "n1");
        assert_eq!(bare("IpAddress(10.0.0.5)"), "10.0.0.5");
        assert_eq!(bare("n1"), "n1");
    }
}
