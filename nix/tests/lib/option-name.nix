{optionName, ...}: {
  "names are quoted where Nix needs it, and list elements have an index" = {
    actual = optionName ["models" "providers" "my lab" "apiKey" 1];
    expected = ''services.moonrelay.settings.models.providers."my lab".apiKey[1]'';
  };
}
