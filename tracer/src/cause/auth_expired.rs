//! `auth_expired`: the JWT's time is over.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "auth_expired",
    family: Family::Auth,
    title: "the JWT's time is over",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the user's or the account's JWT reached its expiry while the client was connected.

On the wire:
- -ERR 'User Authentication Expired' or 'Account Authentication Expired' and FIN, at a full second
- an account's expiry ends all its connections at once
- the next attempt with the same JWT gets 'Authorization Violation'

What else it could be:
- auth_revoked: revoked or removed, with its own text
- authorization_violation: the JWT was expired already at CONNECT
- a wrong clock on the server

Fix:
1. a new user JWT: `nsc edit user --name U --expiry 30d`, `nsc generate creds -n U`, hand it to the
   client
2. account: `nsc edit account --name A --expiry ...`, `nsc push -A`
3. let the client fetch credentials anew on each connect: Go `nats.UserJWT(cb, sigcb)`, Rust
   `with_auth_callback`, Python `user_jwt_cb`, JavaScript `jwtAuthenticator` with a function, Java an
   `AuthHandler`, .NET `AuthCredCallback`
4. short-lived JWTs are meant to expire: then only the renewal is missing

Check next: `nsc describe user U` shows the time; compare the clocks (`timedatectl`).
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "auth_expired") else { return No };
    let account = told.text.to_ascii_lowercase().starts_with("account");
    let whose = if account { "its account" } else { "its user" };
    let finding = Finding::new(
        told.confidence,
        say!(case, "the JWT of {whose} expired while {} was connected to {} ('{}')", case.client(), case.server(), told.text),
    )
    .because([told.evidence])
    .because((case.around.server_closed_others > 0).then(|| {
        Evidence::packets(say!(case, "{} other connections of the server ended within {}", case.around.server_closed_others, case.around.server_closed_spread))
    }));
    let finding = if account {
        finding.fix("give the account JWT a later expiry: `nsc edit account --name A --expiry 1y`, `nsc push -a A`")
    } else {
        finding.fix("give the client a new JWT: `nsc edit user --name U --expiry 30d`, `nsc generate creds -n U`")
    };
    Yes(finding
        .fix("let the client read its credentials anew on every connect (credentials file or JWT callback of its library)")
        .fix("compare the clocks of the hosts: `timedatectl`")
        .why_not("not revoked: that has its own text ('User Authentication Revoked')"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Fin, Party::Server).error("User Authentication Expired").fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).error("Account Authentication Expired").fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).silent(),
    ];
}
