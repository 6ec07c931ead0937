//! Live: what the kernel of a traced host adds to the packets, and what it says alone.

scenarios! {
/// SIGKILL of the server: on the wire an ordinary FIN; the kernel knows who did it.
server_killed r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here s
k s listens nats-server:4
hello c
+5s     k signal 9 nats-server:4 by bash:77
+0.1ms  k exit nats-server:4 signal 9
+0.1ms  k s state ESTABLISHED FIN-WAIT-1 by nats-server:4
+0.01ms s > FA  +0.2ms c > FA  +0.2ms s > A
+5s     end
=> fin server server_crashed 0.9.. server.process.name=nats-server server.process.pid=4 cause.summary~"SIGKILL from bash"
"#

/// SIGTERM: it closes, then exits.
server_stopped r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here s
k s listens nats-server:4
hello c
+5s     k signal 15 nats-server:4 by systemd:1
+1ms    k s state ESTABLISHED FIN-WAIT-1 by nats-server:4
+0.01ms s > FA  +0.2ms c > FA  +0.2ms s > A
+20ms   k exit nats-server:4 status 0
+5s     end
=> fin server server_shutdown 0.9.. cause.summary~stopped
"#

/// The OOM killer.
server_out_of_memory r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here s
k s listens nats-server:4
hello c
+5s     k oom 4
+0.1ms  k signal 9 nats-server:4
+0.1ms  k exit nats-server:4 signal 9
+0.1ms  k s state ESTABLISHED FIN-WAIT-1 by nats-server:4
+0.01ms s > FA  +0.2ms c > FA  +0.2ms s > A
+5s     end
=> fin server server_oom_killed 0.9.. cause.summary~OOM
"#

/// The server's process lives on: whatever this close is, it is no stop and no crash.
server_lives_on r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here s
k s listens nats-server:4
hello c
+5s     k s state ESTABLISHED FIN-WAIT-1 by nats-server:4
+0.01ms s > FA  +0.2ms c > FA  +0.2ms s > A
+5s     end
=> fin server unknown|kicked ..0.6
"#

/// Two clients that say the same of themselves: each comes back in its own process, the one that waited less long first.
two_clients_of_one_host r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; c3 = 10.0.0.7:51003 ; c4 = 10.0.0.7:51004 ; s = 10.0.0.5:4222
here c1
k c1 state CLOSED SYN-SENT by app:10
hello c1
+1s     k c2 state CLOSED SYN-SENT by app:20
hello c2
+5s     s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+1s     s:c2 > FA  +0.2ms c2 > FA  +0.2ms s:c2 > A
+1s     k c3 state CLOSED SYN-SENT by app:20
hello c3
+2s     k c4 state CLOSED SYN-SENT by app:10
hello c4
+60s    end
=> * * * flow.id=1 reconnect.outcome=reconnected reconnect.flow.id=4
=> * * * flow.id=2 reconnect.outcome=reconnected reconnect.flow.id=3
=> open 2
"#

/// Another process of the same host that dials is not the lost client come back.
another_process_is_no_return r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; s = 10.0.0.5:4222
here c1
k c1 state CLOSED SYN-SENT by app:10
hello c1
+5s     s:c1 > FA  +0.2ms c1 > FA  +0.2ms s:c1 > A
+1s     k c2 state CLOSED SYN-SENT by tool:20
hello c2
+90s    end
=> * * * flow.id=1 reconnect=-
=> open 1
"#

/// The client's process is killed; its messages were read, so its kernel says FIN.
client_killed r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here c
k c owned billing:812
hello c
+5s     k signal 9 billing:812 by bash:77
+0.1ms  k exit billing:812 signal 9
+0.1ms  k c state ESTABLISHED FIN-WAIT-1 by billing:812
+0.01ms c > FA  +0.2ms s > FA  +0.2ms c > A
+5s     end
=> fin client client_process_exit 0.9.. client.process.pid=812 cause.summary~SIGKILL
"#

/// A script that closes in good order and exits: its exit is not the cause.
client_closed_and_exits r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here c
k c owned billing:812
hello c
+5s     k c state ESTABLISHED FIN-WAIT-1 by billing:812
+0.01ms c > FA  +0.2ms s > FA  +0.2ms c > A
+20ms   k exit billing:812 status 0
+5s     end
=> fin client client_closed client.process.name=billing
"#

/// An abort on purpose, by the kernel's reason.
client_aborts r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here c
k c owned billing:812
hello c
+5s     k c state ESTABLISHED CLOSED
+0.01ms k c reset TCP_ABORT_ON_LINGER by billing:812
+0.01ms c > RA
+5s     end
=> rst client client_closed 0.8.. cause.summary~SO_LINGER
"#

/// A filter on the server's host discards what the client sends; the host is silent otherwise.
filter_on_the_way_in r#"
c = 10.0.0.7:51001 ttl 63 ; s = 10.0.0.5:4222 ttl 64
set --idle-timeout 10s
here s
k s listens nats-server:4
hello c
+5s     c > pub a 100 drop  +0.01ms k c>s drop PA NETFILTER_DROP nft_do_chain
+0.1ms  k rule c>s "nft: table inet filter, chain input, handle 7: tcp dport 4222 drop"
+0.2s   c > rtx drop        +0.01ms k c>s drop PA NETFILTER_DROP nft_do_chain
+0.4s   c > rtx drop        +0.01ms k c>s drop PA NETFILTER_DROP nft_do_chain
+0.8s   c > rtx drop x4/1.6s
+30s    end
=> firewall_drop server firewall_drop 0.9.. cause.evidence.0.text~NETFILTER_DROP cause.evidence.1.text~"handle 7"
"#

/// A FIN into that filter is not heard.
fin_into_the_filter r#"
c = 10.0.0.7:51001 ttl 63 ; s = 10.0.0.5:4222 ttl 64
set --idle-timeout 10s
here s
hello c
+5s     c > FA drop         +0.01ms k c>s drop FA NETFILTER_DROP nft_do_chain
+0.2s   c > rtx drop x5/0.4s
+30s    end
=> firewall_drop server firewall_drop 0.9..
"#

/// On the way out: no frame shows it, the client goes on asking.
filter_on_the_way_out r#"
c = 10.0.0.7:51001 ttl 63 ; s = 10.0.0.5:4222 ttl 64
set --idle-timeout 10s
here s
hello c
+5s     c > pub a 100       +0.01ms k s>c drop A NETFILTER_DROP nf_hook_slow
+0.2s   c > rtx drop        +0.01ms k s>c drop A NETFILTER_DROP nf_hook_slow
+0.4s   c > rtx drop x5/0.8s
+30s    end
=> firewall_drop server firewall_drop 0.9.. cause.evidence.0.text~"on their way out"
"#

/// A SYN that never left the client's host: no frame at all.
syn_never_left r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
set --idle-timeout 10s
here c
k c state CLOSED SYN-SENT by billing:812
+0.01ms k c>s drop S NETFILTER_DROP nf_hook_slow
+1s     k c rtx  +0.01ms k c>s drop S NETFILTER_DROP nf_hook_slow
+1s     k c rtx  +0.01ms k c>s drop S NETFILTER_DROP nf_hook_slow
+1s     k c error 110 +0.01ms k c state SYN-SENT CLOSED
+30s    end
=> firewall_drop client firewall_drop 0.8.. handshake=unanswered client.process.name=billing
"#

/// A reset leaves this host in the server's name, and no TCP here made it.
reset_by_a_local_filter r#"
c = 10.0.0.7:51001 ttl 64 ; s = 10.0.0.5:4222 ttl 64
here s
k s listens nats-server:4
hello c
+5s     c > pub a 100 drop  +0.05ms s > RA
+5s     end
=> rst network firewall_reject 0.8..
"#

/// The same on a SYN.
refused_by_a_local_filter r#"
c = 10.0.0.7:51001 ttl 64 ; s = 10.0.0.5:4222 ttl 64
here s
k s listens nats-server:4
+1s     c > S drop  +0.05ms s > RA
+5s     end
=> rst network firewall_reject 0.8.. handshake=refused
"#

/// Refused by the kernel itself.
refused_by_the_kernel r#"
c = 10.0.0.7:51001 ttl 64 ; s = 10.0.0.5:4222 ttl 64
here s
+1s     c > S  +0.05ms s > RA +0.01ms k s reset NO_SOCKET +0.01ms k c>s drop S NO_SOCKET tcp_v4_rcv
+5s     end
=> rst server server_not_listening 0.8.. handshake=refused
"#

/// The accept queue is full.
queue_full r#"
c = 10.0.0.7:51001 ttl 63 ; s = 10.0.0.5:4222 ttl 64
here s
+1s     c > S drop  +0.01ms k c>s drop S TCP_LISTEN_OVERFLOW tcp_conn_request
+1s     c > rtx drop +0.01ms k c>s drop S TCP_LISTEN_OVERFLOW tcp_conn_request
+2s     c > rtx drop x3/4s
+60s    end
=> timeout server accept_queue_overflow 0.9..
"#

/// Probes alone: the client closes.
alone_client_closes r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here c
k c state CLOSED SYN-SENT by billing:812
+0.2ms  k c state SYN-SENT ESTABLISHED
+5s     k c state ESTABLISHED FIN-WAIT-1 by billing:812
+0.2ms  k c state FIN-WAIT-1 FIN-WAIT-2
+0.2ms  k c state FIN-WAIT-2 CLOSED
+5s     end
=> fin client client_closed handshake=complete client.process.pid=812
"#

/// Probes alone: the server closes, its process lives on.
alone_server_closes r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here c
k c state CLOSED SYN-SENT by billing:812
+0.2ms  k c state SYN-SENT ESTABLISHED
+5s     k c state ESTABLISHED CLOSE-WAIT
+1ms    k c state CLOSE-WAIT LAST-ACK by billing:812
+0.2ms  k c state LAST-ACK CLOSED
+5s     end
=> fin server * client.process.pid=812
"#

/// Probes alone: refused, reset, timed out.
alone_failures r#"
c1 = 10.0.0.7:51001 ; c2 = 10.0.0.7:51002 ; c3 = 10.0.0.7:51003 ; s = 10.0.0.5:4222
here c1
k c1 state CLOSED SYN-SENT by billing:812
k c2 state CLOSED SYN-SENT by billing:812
k c3 state CLOSED SYN-SENT by billing:812
+0.2ms  k c1 took-reset +0.01ms k c1 error 111 +0.01ms k c1 state SYN-SENT CLOSED
+0.2ms  k c2 state SYN-SENT ESTABLISHED
+0.2ms  k c3 state SYN-SENT ESTABLISHED
+5s     k c2 took-reset +0.01ms k c2 error 104 +0.01ms k c2 state ESTABLISHED CLOSED
+1s     k c3 rtx +0.2s k c3 rtx +0.4s k c3 rtx +0.8s k c3 rtx +1.6s k c3 rtx
+3s     k c3 error 110 +0.01ms k c3 state ESTABLISHED CLOSED
+30s    end
=> rst server server_not_listening handshake=refused client.port=51001
=> rst server * client.port=51002
=> timeout server * client.port=51003 cause.evidence.2.text~ETIMEDOUT
"#

/// What other namespaces do never speaks for this host: a drop between strangers is no connection here.
strangers r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222 ; c2 = 10.9.0.1:1 ; s2 = 10.9.0.2:4222
here s
+1s     k c2>s2 drop S NETFILTER_DROP nft_do_chain
+1s     k c2>s2 drop S NETFILTER_DROP nft_do_chain
+300s   end
=> open 0
"#

/// Probes alone, on the server's host: its answers are kept in, so the client's goodbye is said into a hole.
alone_answers_kept_in r#"
set --idle-timeout 10s
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
here s
k s listens nats-server:4
k s state SYN-RECEIVED ESTABLISHED
+5s     k s>c drop PA NETFILTER_DROP nft_do_chain
+0.2s   k s rtx  +0.01ms k s>c drop PA NETFILTER_DROP nft_do_chain
+0.4s   k s rtx  +0.01ms k s>c drop PA NETFILTER_DROP nft_do_chain
+0.8s   k s rtx  +0.01ms k s>c drop PA NETFILTER_DROP nft_do_chain
+1s     k s state ESTABLISHED CLOSE-WAIT
+0.1s   k s state CLOSE-WAIT LAST-ACK by nats-server:4
+0.5s   k s rtx  +0.01ms k s>c drop FA NETFILTER_DROP nft_do_chain
+3s     k s rtx  +0.01ms k s>c drop FA NETFILTER_DROP nft_do_chain
+30s    end
=> firewall_drop server firewall_drop server.process.pid=4
"#

/// The client's kernel tells of what its own filter discards, and told of nothing: silence comes from elsewhere.
no_filter_here r#"
c = 10.0.0.7:51001 ttl 64 ; s = 10.0.0.5:4222 ttl 63
set --idle-timeout 10s
here c
k c owned billing:812
hello c
+5s     c > pub a 100 drop   +0.2s c > rtx drop x6/0.4s
+30s    end
=> timeout server|network path_blackhole|peer_vanished cause.why_not~"not a filter on 10.0.0.7"
"#
}
