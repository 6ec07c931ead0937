//! The network in depth: what dies, in which direction, before or behind the capture, and which timer says so.

scenarios! {
/// A router says that large segments don't fit, and nobody heeds it: the message never reaches the sender, or is filtered.
fragmentation_needed_and_unheeded r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222 ; r = 10.0.0.1 ttl 254
hello c
+5s    s > msg a 1400 drop    +0.2ms r > icmp frag of s
+1ms   s > PA "PING\r\n"      +0.2ms c > A
+0.2s  s > rtx drop           +0.2ms r > icmp frag of s
+0.4s  s > rtx drop           +0.8s s > rtx drop
+0.1s  c > PA "PING\r\n"      +0.2ms s > PA "PONG\r\n" +0.2ms c > A
+1.5s  s > rtx drop x6/3s
+60s   end
=> timeout|firewall_drop network|client mtu_blackhole 0.5.. cause.evidence~"10.0.0.1"
"#

/// One way: the client is heard, and never acknowledges; its own data is acknowledged.
one_way_seen_from_the_path r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 100 drop
+0.2s  s > rtx drop  +0.3s c > pub b 10  +0.2ms s > A drop  +0.1s s > rtx drop
+0.5s  c > rtx  +0.2ms s > A drop  +0.3s s > rtx drop  +1s c > rtx  +0.2ms s > A drop
+1s    s > rtx drop  +2s c > rtx  +0.2ms s > A drop
+2s    s > rtx drop x5/4s
+90s   end
=> timeout|firewall_drop network|client one_way_path|firewall_drop 0.3..
"#

/// A reset that fits in nothing but its number: another TTL, another identification.
forged_reset_with_another_identification r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+5s    s > msg a 10    +0.2ms c > A
+1s    s > RA ttl=120 id=61000
+1s    s > msg a 10    +0.1ms c > R
+90s   end
=> rst network injected_reset 0.8.. cause.evidence~"IP identification"
"#

/// Captured near the client: what the server sends is lost before it gets here, and is seen once it is repeated.
loss_before_the_capture r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+5s    c > pub b 10 drop  +0.2s c > rtx drop x9/0.4s
+200s  end
=> timeout server|network packet_loss 0.4.. cause.evidence~"lost between the server and the capture" tcp.missing_bytes.server=0
"#

/// The same loss, survived: nothing has ended.
loss_before_the_capture_survived r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+1s s > msg a 90 drop unseen  +1ms s > msg a 90  +0.2ms c > A  +0.2s s > rtx  +0.2ms c > A
+9m end
=> nothing
=> open 1
"#

/// Segments that overtake each other on two paths are no loss.
overtaken_is_not_lost r#"
c = 10.0.0.7:51001 ; s = 10.0.0.5:4222
hello c
+1s s > msg a 90 late=2ms  +1ms s > msg a 90  +3ms c > A
+1s s > msg a 90 late=2ms  +1ms s > msg a 90  +3ms c > A
+9m end
=> nothing
=> open 1
"#
}
