# The same for a host without user namespaces.
{
  home = {
    imports = [(import ../simulated/case.nix).home];
    services.moonrelay.sandbox = "syscalls";
  };
}
