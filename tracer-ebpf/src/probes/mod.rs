//! The programs, a file a tracepoint.
mod inet_sk_error_report;
mod inet_sock_set_state;
mod kfree_skb;
mod mark_victim;
mod sched_process_exit;
mod signal_generate;
mod tcp_receive_reset;
mod tcp_retransmit_skb;
mod tcp_send_reset;
