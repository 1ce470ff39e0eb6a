// Spanish.

#include "core/proto/pop3/language.h"
#include "core/proto/pop3/replies.h"

namespace poplar::pop3 {
namespace {

constexpr Translation kTexts[] = {
    {reply::kUnknownCommand, "-ERR Orden desconocida\r\n"},
    {reply::kLineTooLong, "-ERR Línea demasiado larga\r\n"},
    {reply::kControlByte, "-ERR No se permiten caracteres de control\r\n"},
    {reply::kTooManyBadCommands, "-ERR Demasiadas órdenes erróneas\r\n"},
    {reply::kMissingArgument, "-ERR Falta un argumento\r\n"},
    {reply::kExtraArgument, "-ERR Sobra un argumento\r\n"},
    {reply::kNotANumber, "-ERR Se esperaba un número\r\n"},
    {reply::kNoSuchMessage, "-ERR No existe ese mensaje\r\n"},
    {reply::kMessageDeleted, "-ERR Ese mensaje está borrado\r\n"},
    {reply::kLogInFirst, "-ERR Inicie sesión primero\r\n"},
    {reply::kLoggedIn, "-ERR La sesión ya está iniciada\r\n"},
    {reply::kCapabilitiesFollow, "+OK Siguen las capacidades\r\n"},
    {reply::kLanguagesFollow, "+OK Siguen los idiomas\r\n"},
    {reply::kLanguageSpoken, "Idioma cambiado\r\n"},
    {reply::kUnknownLanguage, "-ERR Este idioma no se habla aquí\r\n"},
    {reply::kSendPass, "+OK Envíe PASS\r\n"},
    {reply::kUserFirst, "-ERR Envíe USER primero\r\n"},
    {reply::kNoUser, "-ERR Aquí no se ofrecen USER y PASS; use AUTH\r\n"},
    {reply::kUserTooLong, "-ERR Nombre de usuario demasiado largo\r\n"},
    {reply::kUserNotUtf8, "-ERR El nombre de usuario no es UTF-8\r\n"},
    {reply::kUtf8Taken, "+OK Se acepta UTF-8 en las cabeceras\r\n"},
    {reply::kStlsBeforeLogin, "-ERR No se admite iniciar sesión sin TLS; envíe STLS primero\r\n"},
    {reply::kTlsOnly, "-ERR No se admite iniciar sesión sin TLS; use el puerto TLS\r\n"},
    {reply::kBeginTls, "+OK Comience TLS\r\n"},
    {reply::kTlsActive, "-ERR TLS ya está activo\r\n"},
    {reply::kNoTls, "-ERR TLS no está disponible aquí\r\n"},
    {reply::kMechanismsFollow, "+OK Siguen los mecanismos\r\n"},
    {reply::kUnknownMechanism, "-ERR Mecanismo de autenticación desconocido\r\n"},
    {reply::kNotBase64, "-ERR Base64 no válido\r\n"},
    {reply::kSaslCancelled, "-ERR Autenticación cancelada\r\n"},
    {reply::kClientTaken, "+OK Actualizado\r\n"},
    {reply::kBadXclient, "-ERR Parámetros no válidos\r\n"},
    {reply::kBadCredentials, "-ERR [AUTH] El nombre de usuario o la contraseña no es correcto\r\n"},
    {reply::kAccountDisabled, "-ERR [AUTH] Esta cuenta está desactivada\r\n"},
    {reply::kTooManyFailures, "-ERR [AUTH] Demasiados inicios de sesión fallidos\r\n"},
    {reply::kThrottled,
     "-ERR [SYS/TEMP] Demasiados inicios de sesión fallidos desde ahí; inténtelo más tarde\r\n"},
    {reply::kInUse, "-ERR [IN-USE] Otra sesión tiene abierto este buzón\r\n"},
    {reply::kTlsRequired,
     "-ERR [SYS/PERM] Su proveedor exige TLS; cambie los ajustes de su programa de correo\r\n"},
    {reply::kMechanismOff,
     "-ERR [SYS/PERM] Su proveedor no permite iniciar sesión de esta forma; cambie los ajustes de "
     "su programa de correo\r\n"},
    {reply::kLimited,
     "-ERR [SYS/TEMP] Demasiadas sesiones o conexiones en su proveedor; inténtelo más tarde\r\n"},
    {reply::kTooSoon,
     "-ERR [LOGIN-DELAY] Demasiado pronto tras el último inicio de sesión; inténtelo más "
     "tarde\r\n"},
    {reply::kLoginTemporary,
     "-ERR [SYS/TEMP] Ahora no es posible iniciar sesión; inténtelo más tarde\r\n"},
    {reply::kLoginPermanent,
     "-ERR [SYS/PERM] No es posible iniciar sesión; avise a su proveedor\r\n"},
    {reply::kMessage, " mensaje ("},
    {reply::kMessages, " mensajes ("},
    {reply::kOctetsInAll, " octetos)\r\n"},
    {reply::kOctets, " octetos\r\n"},
    {reply::kUidlsFollow, "+OK Siguen los identificadores únicos\r\n"},
    {reply::kDatesFollow, "+OK Siguen los microsegundos desde 1970\r\n"},
    {reply::kTopFollows, "+OK Sigue el comienzo del mensaje\r\n"},
    {reply::kDeleted, "+OK Mensaje borrado\r\n"},
    {reply::kBodyTemporary,
     "-ERR [SYS/TEMP] El mensaje no se puede leer ahora; inténtelo más tarde\r\n"},
    {reply::kBodyPermanent, "-ERR [SYS/PERM] El mensaje está dañado; avise a su proveedor\r\n"},
    {reply::kBodyNeedsUtf8,
     "-ERR [UTF8] La cabecera de este mensaje contiene UTF-8; envíe UTF8 antes de iniciar "
     "sesión\r\n"},
    {reply::kBodyGone, "-ERR Este mensaje ya no está\r\n"},
    {reply::kGoodbye, "+OK Adiós\r\n"},
    {reply::kCommitFailed, "-ERR [SYS/TEMP] No se borró nada; inténtelo más tarde\r\n"},
    {reply::kCommitUnknown, "-ERR [SYS/TEMP] No se sabe si los mensajes se borraron\r\n"},
    {reply::kLoginTimeout, "-ERR El inicio de sesión tardó demasiado\r\n"},
    {reply::kSessionTooOld, "-ERR La sesión duró demasiado\r\n"},
    {reply::kShuttingDown, "-ERR [SYS/TEMP] El servidor se está apagando; inténtelo en breve\r\n"},
    {reply::kKicked, "-ERR [SYS/TEMP] La sesión se ha cerrado\r\n"},
    {reply::kLeaseLost, "-ERR [SYS/TEMP] El buzón fue retirado; no se borró nada\r\n"},
    {reply::kTooManyConnections, "-ERR [SYS/TEMP] Demasiadas conexiones; inténtelo más tarde\r\n"},
};

}  // namespace

const std::span<const Translation> kSpanishTexts = kTexts;

}  // namespace poplar::pop3
