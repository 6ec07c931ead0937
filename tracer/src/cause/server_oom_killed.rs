//! `server_oom_killed`: by the kernel's OOM killer.
use super::prelude::*;

/// The rule.
pub static RULE: Rule = Rule {
    code: "server_oom_killed",
    family: Family::ServerShutdown,
    title: "the server was killed by the kernel's OOM killer",
    explain: EXPLAIN,
    needs: &[Symptom::ProcessEnd],
    judge,
    #[cfg(test)]
    cases: cases::CASES,
};

const EXPLAIN: &str = "\
What it is: the host, or the container's memory limit, ran out of memory and the kernel killed
nats-server.

On the wire: the same as any crash; packets alone can't tell it apart:
- FIN on idle connections, RST on busy ones, all at once; no close_notify, no WebSocket close
- new SYNs refused until the restart, then another server_id

What shows it:
- natstrace's probes on the server's host (`oom:mark_victim` and the process's end): this code is
  given only then
- `journalctl -k | grep -i 'out of memory'`, `dmesg | grep -i oom`, `kubectl describe pod`:
  `OOMKilled`, exit code 137

What else it could be: server_crashed (another sender of SIGKILL), server_shutdown.

Fix:
1. give the Go runtime the limit: `GOMEMLIMIT=` at 80 to 90 % of the container's memory limit
2. raise the limit; JetStream needs memory for streams in memory, caches and many consumers
3. bound what clients can make the server hold: `max_pending` (default 64MB per client) times slow
   consumers, `max_connections`, `max_payload`, JetStream `max_memory_store`
4. look for slow consumers before the kill: each may hold up to max_pending

Check next: `/varz` (`mem`, `slow_consumers`) over time, and JetStream usage in `/jsz`.
";

fn judge(case: &Case<'_>) -> Judgement {
    let Some(end) = case.around.process_end.server.as_ref().filter(|e| e.oom) else { return No };
    if case.ended_by(Side::Client) {
        return No;
    }
    let text = say!(case, "the kernel's OOM killer chose {} (pid {}): SIGKILL", end.name, end.pid);
    Yes(Finding::new(
        0.98,
        say!(case, "{} was killed by the OOM killer; {} lost its connection", case.server(), case.client()),
    )
    .because([Evidence::kernel(end.at, text)])
    .because(case.goodbye_evidence(Side::Server))
    .fix(say!(case, "on {}: `journalctl -k | grep -i 'out of memory'` shows how much nats-server held, and the limit", case.facts.server.addr))
    .fix("set GOMEMLIMIT to 80 to 90 % of the memory limit of the container or unit, and raise that limit")
    .fix("bound what the server holds: `max_pending` (default 64MB per client), `max_connections`, JetStream `max_memory_store`")
    .why_not("not an operator's kill: the kernel chose the process itself"))
}

#[cfg(test)]
mod cases {
    use crate::cause::testing::*;

    pub const CASES: &[fn() -> Scene] = &[
        || {
            Scene::new()
                .ends(Kind::Fin, Party::Server)
                .with(|s| {
                    let mut end = ProcessEnd { pid: 4, name: "nats-server".into(), ..ProcessEnd::default() };
                    (end.signal, end.oom) = (Some(9), true);
                    s.around.process_end.server = Some(end);
                })
                .fires()
        },
        || Scene::new().ends(Kind::Rst, Party::Server).silent(),
    ];
}
