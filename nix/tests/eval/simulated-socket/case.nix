# The same with the socket.
{
  home = {
    imports = [(import ../simulated/case.nix).home];
    services.moonrelay.socketActivation = true;
  };
}
