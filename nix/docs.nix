# The option reference, generated from the options.
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

  homeOptions = optionsOf home;
  nixosOptions = optionsOf nixos;
  names = map (option: option.name);
  options = lib.sort (a: b: a.name < b.name) (homeOptions ++ lib.filter (option: !(lib.elem option.name (names homeOptions))) nixosOptions);

  availability = option:
    if !(lib.elem option.name (names nixosOptions))
    then "home-manager only"
    else if !(lib.elem option.name (names homeOptions))
    then "NixOS only"
    else "home-manager, NixOS";

  code = value: let
    text = lib.removeSuffix "\n" (value.text or (lib.generators.toPretty {} value));
  in
    if lib.hasInfix "\n" text
    then "\n\n```nix\n${text}\n```"
    else " `${text}`";

  # Markdown has no roles such as {option}: they become plain code.
  plain = text: lib.replaceStrings ["{option}`" "{file}`" "{command}`"] ["`" "`" "`"] (lib.removeSuffix "\n" (text.text or text));

  entry = option: ''
    ## `${option.name}`

    ${plain option.description}

    - Type: ${option.type}
    ${lib.optionalString (option ? default) "- Default:${code option.default}\n"}${lib.optionalString (option ? example) "- Example:${code option.example}\n"}- Modules: ${availability option}
  '';

  # Options without a description or an example.
  incomplete = names (lib.filter (option: option.description or "" == "" || !(option ? example)) options);

  markdown =
    "# Options of the Nix modules\n\nGenerated from the modules. A check compares this page with them. All options are below `services.moonrelay`.\n\n"
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
