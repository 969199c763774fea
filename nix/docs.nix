# The reference of the options, from the options themselves.
{
  home-manager,
  lib,
  pkgs,
  self,
}: let
  prefix = "services.moonrelay.";

  optionsOf = evaluated: lib.filter (option: option.visible && !option.internal && lib.hasPrefix prefix option.name) (lib.optionAttrSetToDocList evaluated.options);

  home = home-manager.lib.homeManagerConfiguration {
    inherit pkgs;
    modules = [
      self.homeModules.default
      {
        home = {
          username = "alice";
          homeDirectory = "/home/alice";
          stateVersion = "26.05";
        };
      }
    ];
  };

  nixos = lib.nixosSystem {
    modules = [self.nixosModules.default {nixpkgs.hostPlatform = "x86_64-linux";}];
  };

  inHome = optionsOf home;
  inNixos = optionsOf nixos;
  names = map (option: option.name);
  options = lib.sort (a: b: a.name < b.name) (inHome ++ lib.filter (option: !(lib.elem option.name (names inHome))) inNixos);

  where = option:
    if !(lib.elem option.name (names inNixos))
    then "home-manager only"
    else if !(lib.elem option.name (names inHome))
    then "NixOS only"
    else "home-manager, NixOS";

  code = value: let
    text = lib.removeSuffix "\n" (value.text or (lib.generators.toPretty {} value));
  in
    if lib.hasInfix "\n" text
    then "\n\n```nix\n${text}\n```"
    else " `${text}`";

  # The documentation's roles are plain code on a page.
  plain = text: lib.replaceStrings ["{option}`" "{file}`" "{command}`"] ["`" "`" "`"] (lib.removeSuffix "\n" (text.text or text));

  entry = option: ''
    ## `${option.name}`

    ${plain option.description}

    - Type: ${option.type}
    ${lib.optionalString (option ? default) "- Default:${code option.default}\n"}${lib.optionalString (option ? example) "- Example:${code option.example}\n"}- In: ${where option}
  '';

  # What lacks a word for its users.
  incomplete = names (lib.filter (option: option.description or "" == "" || !(option ? example)) options);

  markdown =
    "# Options of the Nix modules\n\nGenerated from the modules; a check compares. Everything stands under `services.moonrelay`.\n\n"
    + lib.concatStringsSep "\n" (map entry options);

  options-json =
    (pkgs.nixosOptionsDoc {
      inherit (home) options;
      transformOptions = option: option // {visible = option.visible && lib.hasPrefix prefix option.name;};
      warningsAreErrors = true;
    })
    .optionsJSON;
in {
  inherit incomplete markdown options options-json;

  docs = pkgs.runCommand "moonrelay-docs" {} ''
    mkdir -p "$out/share/doc/moonrelay"
    cp -r ${../docs} "$out/share/doc/moonrelay/docs"
    cp ${../README.md} "$out/share/doc/moonrelay/README.md"
  '';
}
