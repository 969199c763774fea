# Secrets in settings. Every user of a machine can read the Nix store, so settings may only contain references to secrets.
{
  lib,
  optionName,
  paths,
}: let
  variableName = text: lib.replaceStrings ["-" "." "/" " "] ["_" "_" "_" "_"] (lib.toUpper text);

  # Whether a text contains `${NAME}`. The gateway takes `$${NAME}` literally.
  hasReference = text: builtins.match "(.*[^$])?[$][{][A-Z_][A-Z0-9_]*[}].*" text != null;

  # Whether a text is references and nothing else: other text could be a part of a key.
  isReferences = text: builtins.match "([$][{][A-Z_][A-Z0-9_]*[}])+" text != null;

  sources = ["credential" "env" "file"];
  isSecretRef = value: lib.isAttrs value && lib.elem (value.source or null) sources;

  looksLikeKey = text: builtins.match "(.*[^A-Za-z0-9])?sk-[A-Za-z0-9_-]{12,}.*" text != null;

  # Whether a text is a URL with a user name or a password. The program rejects it too, but only once it is in the store.
  hasUserInfo = text: builtins.match "[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@.*" text != null;

  # Whether a header carries a secret. Others (User-Agent, X-Title) may be plain text.
  isSecretHeader = name: builtins.match ".*(auth|cookie|credential|key|passw|secret|token).*" (lib.toLower name) != null;

  # The fields of the settings that hold secrets: { path, value, name }, where `name` is the credential name that the
  # error message suggests. `allowsText` is true where text beside a reference is valid, as in "Bearer ${KEY}".
  secretFields = settings: let
    providers = settings.models.providers or {};
    auth = settings.gateway.auth or {};
    search = settings.plugins.entries.moonshot.config.webSearch or {};
    env = settings.env or {};

    field = attrs: key: path: name:
      lib.optional (lib.isAttrs attrs && attrs ? ${key}) {
        inherit name;
        path = path ++ [key];
        value = attrs.${key};
      };
    fields = attrs: path: nameOf:
      lib.optionals (lib.isAttrs attrs) (lib.mapAttrsToList (key: value: {
          inherit value;
          name = nameOf key;
          path = path ++ [key];
        })
        attrs);
    allowText = map (field: field // {allowsText = true;});
    headers = attrs: path: owner:
      allowText (lib.filter (field: isSecretHeader (lib.last field.path))
        (fields (attrs.headers or {}) (path ++ ["headers"]) (header: "${owner}_${variableName header}")));
    providerFields = id: provider: let
      path = ["models" "providers" id];
      owner = variableName id;
    in
      field provider "apiKey" path "${owner}_API_KEY"
      ++ headers provider path owner
      ++ lib.concatLists (lib.imap0 (index: model: headers model (path ++ ["models" index]) owner) (provider.models or []));

    # A list of keys is one field for each key.
    eachKey = field:
      if lib.isList field.value
      then
        lib.imap0 (index: value:
          field
          // {
            inherit value;
            path = field.path ++ [index];
          })
        field.value
      else [field];
  in
    lib.concatMap eachKey (
      lib.concatLists (lib.mapAttrsToList providerFields providers)
      ++ field auth "token" ["gateway" "auth"] "MOONRELAY_TOKEN"
      ++ fields (auth.tokens or {}) ["gateway" "auth" "tokens"] (client: "MOONRELAY_TOKEN_${variableName client}")
      ++ field search "apiKey" ["plugins" "entries" "moonshot" "config" "webSearch"] "MOONSHOT_API_KEY"
      # Users paste keys into variables. A variable that is not a secret can be written where it is used.
      ++ allowText (fields (removeAttrs env ["vars"]) ["env"] lib.id)
      ++ allowText (fields (env.vars or {}) ["env" "vars"] lib.id)
    );

  # Every string and path in a value, as { path, value }.
  leaves = path: value:
    if lib.isAttrs value && !(value ? outPath)
    then lib.concatLists (lib.mapAttrsToList (key: leaves (path ++ [key])) value)
    else if lib.isList value
    then lib.concatLists (lib.imap0 (index: leaves (path ++ [index])) value)
    else lib.optional (lib.isString value || builtins.isPath value) {inherit path value;};

  plainTextMessage = {
    path,
    name,
    ...
  }: ''
    ${optionName path} contains a secret in plain text, and every user of this machine can read the Nix store. Keep the secret in a file and write a reference to it:
      ${optionName path} = "\''${${name}}";
      services.moonrelay.credentials.${name} = "/run/secrets/${lib.toLower name}";'';

  storeFileMessage = path: ''
    ${optionName path} is a secret file in the Nix store, which every user of this machine can read. Give the path as a string, of a file outside of your configuration: "/run/secrets/kimi" instead of ./kimi.'';

  isFileInStore = value: let
    id = value.id or "";
  in
    isSecretRef value && value.source == "file" && (builtins.isPath id || paths.isInStore id);

  isReference = field: let
    inherit (field) value;
  in
    isSecretRef value
    || (lib.isString value
      && (
        if field.allowsText or false
        then hasReference value && !looksLikeKey value
        else isReferences value
      ));

  fieldViolations = field:
    if isFileInStore field.value
    then [(storeFileMessage (field.path ++ ["id"]))]
    else lib.optional (!isReference field) (plainTextMessage field);
in {
  # Error messages, one for each field that contains a secret. They name the fix and never contain a value.
  violations = settings: let
    fields = secretFields settings;
    isSecretField = path: lib.any (field: field.path == path) fields;
    # Secrets in other fields, found by their shape.
    misplaced =
      lib.filter (leaf: lib.isString leaf.value && (looksLikeKey leaf.value || hasUserInfo leaf.value) && !isSecretField leaf.path)
      (leaves [] settings);
  in
    lib.concatMap fieldViolations fields
    ++ map (leaf: plainTextMessage (leaf // {name = "API_KEY";})) misplaced;

  # The secret files that settings name, as { path, file }.
  files = settings:
    map (field: {
      path = field.path ++ ["id"];
      file = field.value.id;
    })
    (lib.filter (field: isSecretRef field.value && field.value.source == "file") (secretFields settings));
}
