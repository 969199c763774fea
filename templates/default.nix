# `nix flake init -t`.
{
  default = {
    path = ./default;
    description = "Moonrelay in a home-manager configuration";
  };
  kimi-provider = {
    path = ../examples/kimi-provider;
    description = "Kimi with OpenRouter as the fallback, and documents for the agent";
  };
  nixos = {
    path = ./nixos;
    description = "Moonrelay as a NixOS system service";
  };
}
