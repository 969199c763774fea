# The `simulated` case for hosts without user namespaces.
{
  home = {
    imports = [(import ../simulated/case.nix).home];
    services.moonrelay.sandbox = "syscalls";
  };
}
