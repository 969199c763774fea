# The type of a secret's path. Closed: a path literal or a store path would put the secret where everybody can read it.
{lib}:
lib.types.either lib.types.externalPath (lib.mkOptionType {
  name = "pathOfManager";
  description = "path below %t, %h or \${XDG_RUNTIME_DIR}";
  descriptionClass = "noun";
  check = (import ../lib).paths.isOfManager;
  merge = lib.mergeEqualOption;
})
