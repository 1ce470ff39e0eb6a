// What a token says of itself, compared with what it has to say. Pure.

#pragma once

#include <jansson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "auth/plugin.h"
#include "auth/plugins/oauth/settings.h"

namespace poplar::oauth {

struct FreeJson {
  void operator()(json_t* json) const { json_decref(json); }
};
using Json = std::unique_ptr<json_t, FreeJson>;

// Of null none of them is true.
inline bool IsText(const json_t* json) { return json_is_string(json); }
inline bool IsNumber(const json_t* json) { return json_is_number(json); }
inline bool IsTrue(const json_t* json) { return json_is_true(json); }
inline bool IsFalse(const json_t* json) { return json_is_false(json); }
inline bool IsBoolean(const json_t* json) { return json_is_boolean(json); }
inline bool IsList(const json_t* json) { return json_is_array(json); }
inline bool IsObject(const json_t* json) { return json_is_object(json); }

// One object; null otherwise.
Json ParseObject(std::string_view text);

struct Verdict {
  poplar_outcome outcome = POPLAR_TEMPORARY;
  std::string reason;  // Nothing of the token but whom it names.
};

// Of a token whose signature was found good, or which its issuer vouched for (`introspected`: then
// what is missing was checked there). `login` has small letters. UNKNOWN: another issuer's.
Verdict CheckClaims(const json_t* claims, const Settings& settings, std::string_view login,
                    int64_t now_s, bool introspected);

}  // namespace poplar::oauth
