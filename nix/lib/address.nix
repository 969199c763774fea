# Where the gateway listens, from `settings.gateway`.
let
  prefix = "unix:";
  isUnix = bind: builtins.substring 0 (builtins.stringLength prefix) bind == prefix;
  isIpv6 = bind: builtins.match "[0-9A-Fa-f.]*:.*" bind != null;
  host = bind:
    if isIpv6 bind
    then "[${bind}]"
    else bind;
in {
  inherit isUnix;

  # Whether only this machine can reach it.
  isPrivate = bind: isUnix bind || bind == "loopback" || bind == "::1" || builtins.match "127\\..*" bind != null;

  # What `ListenStream=` of a socket unit takes.
  listenStream = {
    bind,
    port,
    ...
  }:
    if isUnix bind
    then builtins.substring (builtins.stringLength prefix) (-1) bind
    else if bind == "loopback"
    then "127.0.0.1:${toString port}"
    else if bind == "all"
    # Without a host systemd takes every address, IPv4 and IPv6.
    then toString port
    else "${host bind}:${toString port}";

  # Where clients on this machine find it; null where it has no port.
  url = {
    bind,
    port,
    ...
  }:
    if isUnix bind || port == 0
    then null
    else if builtins.elem bind ["all" "loopback" "0.0.0.0" "::"]
    then "http://127.0.0.1:${toString port}"
    else "http://${host bind}:${toString port}";
}
