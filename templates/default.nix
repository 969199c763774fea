# `nix flake init -t`.
{
  default = {
    path = ./default;
    description = "Moonrelay in a home-manager configuration";
  };
  kimi-provider = {
    path = ../examples/kimi-provider;
    description = "Kimi first, OpenRouter behind it, with documents for the agent";
  };
  nixos = {
    path = ./nixos;
    description = "Moonrelay as a service of a NixOS machine";
  };
}
