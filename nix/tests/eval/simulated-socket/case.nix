# The `simulated` case with socket activation.
{
  home = {
    imports = [(import ../simulated/case.nix).home];
    services.moonrelay.socketActivation = true;
  };
}
