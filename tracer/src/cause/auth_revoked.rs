//! `auth_revoked`: revoked or removed while connected.
use super::prelude::*;


/// The rule.
pub static RULE: Rule = Rule {
    code: "auth_revoked",
    family: Family::Auth,
    title: "revoked or removed while connected",
    explain: EXPLAIN,
    needs: &[Symptom::Told],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the user's credentials were revoked in the account JWT, or an activation was, while the
client was connected.

On the wire:
- -ERR 'User Authentication Revoked' and FIN; all connections of that user within about a
  millisecond
- the next attempt gets 'Authorization Violation'

What else it could be:
- auth_expired: the JWT's own time
- kicked: a reload that removes a user from the config closes without -ERR
- authorization_violation: a reload that changes the password has that text

Fix:
1. was it meant? `nsc revocations list-users --account A` shows who and since when
2. undo: `nsc revocations delete-user --account A --name U`, `nsc push -a A`
3. or hand out a new user: `nsc add user`, `nsc generate creds`
4. a JWT issued after the time of the revocation is valid again

Check next: who pushed the account JWT at that time?
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(told) = server_error::told(case, "auth_revoked") else { return No };
    Yes(Finding::new(
        told.confidence,
        say!(case, "the credentials of {} were revoked while it was connected to {} ('{}')", case.client(), case.server(), told.text),
    )
    .because([told.evidence])
    .fix("see who was revoked and when: `nsc revocations list-users --account A`")
    .fix("if it was a mistake: `nsc revocations delete-user --account A --name U`, then `nsc push -a A`")
    .fix("else hand out new credentials: `nsc add user`, `nsc generate creds`")
    .why_not("not expired: that has its own text ('User Authentication Expired')"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || Scene::new().ends(Kind::Fin, Party::Server).error("User Authentication Revoked").fires(),
        || Scene::new().ends(Kind::Fin, Party::Server).error("User Authentication Expired").silent(),
    ];
}
