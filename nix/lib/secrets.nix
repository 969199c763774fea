# Secrets in settings: the store can be read by everybody, so only references to them may stand there.
let
  attribute = import ./attribute.nix;
  paths = import ./paths.nix;

  chars = text: builtins.genList (index: builtins.substring index 1 text) (builtins.stringLength text);
  small = chars "abcdefghijklmnopqrstuvwxyz";
  large = chars "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  lower = builtins.replaceStrings large small;
  upper = builtins.replaceStrings (small ++ ["-" "." "/" " "]) (large ++ ["_" "_" "_" "_"]);

  # `${NAME}`, and not `$${NAME}`, which the gateway takes literally.
  names = text: builtins.match "(.*[^$])?[$][{][A-Z_][A-Z0-9_]*[}].*" text != null;

  # References and nothing beside them: what stands beside one could be half a key.
  onlyNames = text: builtins.match "([$][{][A-Z_][A-Z0-9_]*[}])+" text != null;

  sources = ["credential" "env" "file"];
  isSecretRef = value: builtins.isAttrs value && builtins.elem (value.source or null) sources;

  looksLikeKey = text: builtins.match "(.*[^A-Za-z0-9])?sk-[A-Za-z0-9_-]{12,}.*" text != null;

  # `https://name:password@host`; the program refuses it too, but only after it is in the store.
  hasUser = text: builtins.match "[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@.*" text != null;

  # Headers that carry secrets; others (User-Agent, X-Title) may be plain.
  isSecretHeader = name: builtins.match ".*(auth|cookie|credential|key|passw|secret|token).*" (lower name) != null;

  # The places of settings that hold secrets: { path, value, name }, with the credential's name that the fix shows;
  # `mixed` where other text stands beside a secret, as in "Bearer ${KEY}".
  places = settings: let
    providers = settings.models.providers or {};
    auth = settings.gateway.auth or {};
    search = settings.plugins.entries.moonshot.config.webSearch or {};
    optional = set: key: path: name:
      if builtins.isAttrs set && set ? ${key}
      then [
        {
          inherit name path;
          value = set.${key};
        }
      ]
      else [];
    each = set: path: nameOf:
      if builtins.isAttrs set
      then
        map (key: {
          name = nameOf key;
          path = path ++ [key];
          value = set.${key};
        }) (builtins.attrNames set)
      else [];
    # A list of keys counts each.
    spread = place:
      if builtins.isList place.value
      then indexed (index: value: place // {inherit value;} // {path = place.path ++ [index];}) place.value
      else [place];
    mixed = map (place: place // {mixed = true;});
    headers = set: path: owner:
      mixed (builtins.filter (place: isSecretHeader (builtins.elemAt place.path (builtins.length path)))
        (each (set.headers or {}) path (header: "${owner}_${upper header}")));
    ofProvider = id: let
      provider = providers.${id};
      path = ["models" "providers" id];
    in
      optional provider "apiKey" (path ++ ["apiKey"]) "${upper id}_API_KEY"
      ++ headers provider (path ++ ["headers"]) (upper id)
      ++ builtins.concatLists (indexed (index: model: headers model (path ++ ["models" index "headers"]) (upper id))
        (provider.models or []));
    block = settings.env or {};
  in
    builtins.concatMap spread (
      builtins.concatMap ofProvider (builtins.attrNames providers)
      ++ optional auth "token" ["gateway" "auth" "token"] "MOONRELAY_TOKEN"
      ++ each (auth.tokens or {}) ["gateway" "auth" "tokens"] (client: "MOONRELAY_TOKEN_${upper client}")
      ++ optional search "apiKey" ["plugins" "entries" "moonshot" "config" "webSearch" "apiKey"] "MOONSHOT_API_KEY"
      # Variables are where keys get pasted; one that is no secret can be written where it is used.
      ++ mixed (each (removeAttrs block ["vars"]) ["env"] (name: name))
      ++ mixed (each (block.vars or {}) ["env" "vars"] (name: name))
    );

  indexed = f: list: builtins.genList (index: f index (builtins.elemAt list index)) (builtins.length list);

  # Every string and path, wherever it is.
  leaves = path: value:
    if builtins.isAttrs value && !(value ? outPath)
    then builtins.concatMap (key: leaves (path ++ [key]) value.${key}) (builtins.attrNames value)
    else if builtins.isList value
    then builtins.concatLists (indexed (index: leaves (path ++ [index])) value)
    else if builtins.isString value || builtins.isPath value
    then [{inherit path value;}]
    else [];

  literal = {
    path,
    name,
    ...
  }: ''
    ${attribute.show path} holds a secret in plain text, and everybody can read the Nix store. Write a reference, and keep the secret in a file:
      ${attribute.show path} = "\''${${name}}";
      services.moonrelay.credentials.${name} = "/run/secrets/${lower name}";'';

  stored = path: ''
    ${attribute.show path} is a secret's file inside the Nix store, which everybody can read. Give the path as a string, of a file that is not part of your configuration: "/run/secrets/kimi", not ./kimi.'';

  isFileInStore = value: let
    id = value.id or "";
  in
    isSecretRef value && value.source == "file" && (builtins.isPath id || paths.inStore id);

  judge = place: let
    inherit (place) path value;
  in
    if isFileInStore value
    then [(stored (path ++ ["id"]))]
    else if isSecretRef value || (builtins.isString value && refers place value)
    then []
    else [(literal place)];

  refers = place: text:
    if place.mixed or false
    then names text && !looksLikeKey text
    else onlyNames text;
in {
  # What is wrong with settings, one text a place, with the fix; never a value.
  violations = settings: let
    known = places settings;
    isKnown = path: builtins.any (place: place.path == path) known;
    strange = builtins.filter (leaf: builtins.isString leaf.value && (looksLikeKey leaf.value || hasUser leaf.value) && !isKnown leaf.path) (leaves [] settings);
  in
    builtins.concatMap judge known
    ++ map (leaf: literal (leaf // {name = "API_KEY";})) strange;

  # Secret files that settings name, as { path, file }.
  files = settings:
    map (place: {
      path = place.path ++ ["id"];
      file = place.value.id;
    })
    (builtins.filter (place: isSecretRef place.value && place.value.source == "file") (places settings));
}
