# The gateway's address, from `settings.gateway`.
{lib}: let
  unixPrefix = "unix:";
  isUnix = lib.hasPrefix unixPrefix;
  isIpv6 = bind: builtins.match "[0-9A-Fa-f.]*:.*" bind != null;
  host = bind:
    if isIpv6 bind
    then "[${bind}]"
    else bind;
in {
  inherit isUnix;

  # Whether only this machine can connect.
  isLocal = bind: isUnix bind || bind == "loopback" || bind == "::1" || builtins.match "127\\..*" bind != null;

  # The value of `ListenStream=` in a socket unit.
  listenStream = {
    bind,
    port,
    ...
  }:
    if isUnix bind
    then lib.removePrefix unixPrefix bind
    else if bind == "loopback"
    then "127.0.0.1:${toString port}"
    else if bind == "all"
    # A port without a host is every IPv4 and IPv6 address.
    then toString port
    else "${host bind}:${toString port}";

  # The base URL for clients on this machine; null without a known port.
  url = {
    bind,
    port,
    ...
  }:
    if isUnix bind || port == 0
    then null
    else if lib.elem bind ["all" "loopback" "0.0.0.0" "::"]
    then "http://127.0.0.1:${toString port}"
    else "http://${host bind}:${toString port}";
}
