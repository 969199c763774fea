{
  # One argument of an `Exec…=` setting: quoted, without specifiers and variables. (nixpkgs has this only in
  # nixos/lib/utils.nix, which home-manager cannot use.)
  escapeArgument = text: builtins.replaceStrings ["%" "$"] ["%%" "$$"] (builtins.toJSON text);
}
