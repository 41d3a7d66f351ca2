// What went wrong and what to do about it, for the errors that people meet. Others are shown as the service words them.
import type { Code } from "../api/error.js";
import type { Language } from "./language.js";

export const errors: Partial<Record<Code, Record<Language, string>>> = {
  UNREACHABLE: {
    en: "The service can't be reached. Check your connection and try again.",
    ru: "Сервис недоступен. Проверьте подключение и повторите попытку.",
    "zh-Hans": "无法连接到服务。请检查网络连接后重试。",
    "zh-Hant": "無法連線到服務。請檢查網路連線後重試。",
  },
  STRANGE: {
    en: "Something between you and the service answered in its place. Try again in a moment.",
    ru: "Вместо сервиса ответил кто-то посередине. Повторите попытку чуть позже.",
    "zh-Hans": "收到的答复并非来自本服务。请稍后重试。",
    "zh-Hant": "收到的回覆並非來自本服務。請稍後重試。",
  },
  UNAUTHENTICATED: {
    en: "You have to log in for this.",
    ru: "Для этого нужно войти.",
    "zh-Hans": "请先登录。",
    "zh-Hant": "請先登入。",
  },
  LOGIN_FAILED: {
    en: "This address and this password don't belong together. Check both and try again.",
    ru: "Адрес и пароль не подходят друг к другу. Проверьте их и повторите попытку.",
    "zh-Hans": "邮箱地址与密码不匹配。请检查后重试。",
    "zh-Hant": "電子郵件地址與密碼不符。請檢查後重試。",
  },
  FORBIDDEN: {
    en: "You may not do this. Ask the host, or log in with another account.",
    ru: "У вас нет прав на это. Обратитесь к организатору или войдите под другой учётной записью.",
    "zh-Hans": "您没有此权限。请联系主持人，或使用其他账户登录。",
    "zh-Hant": "您沒有此權限。請聯絡主持人，或使用其他帳戶登入。",
  },
  ACCESS_KEY_REQUIRED: {
    en: "This instance is not open to everybody yet. Ask whoever runs it for a link with its key.",
    ru: "Этот сервис пока открыт не для всех. Попросите у администратора ссылку с ключом.",
    "zh-Hans": "本服务尚未对所有人开放。请向管理员索取带密钥的链接。",
    "zh-Hant": "本服務尚未對所有人開放。請向管理員索取附金鑰的連結。",
  },
  ORIGIN_REFUSED: {
    en: "The service doesn't know this page's address. Whoever runs it has to add it to WEB_ORIGIN.",
    ru: "Сервис не знает адреса этой страницы. Администратор должен добавить его в WEB_ORIGIN.",
    "zh-Hans": "服务不认识此页面的地址。请管理员将其加入 WEB_ORIGIN。",
    "zh-Hant": "服務不認識此頁面的位址。請管理員將其加入 WEB_ORIGIN。",
  },
  REGISTRATION_CLOSED: {
    en: "Nobody can register here. Ask an administrator for an account.",
    ru: "Регистрация закрыта. Попросите учётную запись у администратора.",
    "zh-Hans": "此处未开放注册。请向管理员申请账户。",
    "zh-Hant": "此處未開放註冊。請向管理員申請帳戶。",
  },
  EMAIL_TAKEN: {
    en: "There is an account of this address. Log in instead.",
    ru: "Учётная запись с этим адресом уже есть. Войдите в неё.",
    "zh-Hans": "该邮箱地址已有账户。请直接登录。",
    "zh-Hant": "此電子郵件地址已有帳戶。請直接登入。",
  },
  PIN_REQUIRED: {
    en: "This room asks for a PIN. It is in the invitation.",
    ru: "Для входа в комнату нужен PIN-код. Он указан в приглашении.",
    "zh-Hans": "此房间需要 PIN 码，请查看邀请。",
    "zh-Hant": "此房間需要 PIN 碼，請查看邀請。",
  },
  PIN_WRONG: {
    en: "This is not the room's PIN. Look it up in the invitation, or ask who invited you.",
    ru: "PIN-код неверный. Посмотрите его в приглашении или спросите того, кто вас пригласил.",
    "zh-Hans": "PIN 码不正确。请查看邀请，或询问邀请您的人。",
    "zh-Hant": "PIN 碼不正確。請查看邀請，或詢問邀請您的人。",
  },
  ROOM_LOCKED: {
    en: "The host has locked this room. Ask them to let you in.",
    ru: "Организатор закрыл комнату. Попросите впустить вас.",
    "zh-Hans": "主持人已锁定此房间。请联系主持人。",
    "zh-Hant": "主持人已鎖定此房間。請聯絡主持人。",
  },
  BANNED: {
    en: "The host has sent you out of this room for good.",
    ru: "Организатор закрыл вам доступ в эту комнату.",
    "zh-Hans": "主持人已禁止您进入此房间。",
    "zh-Hant": "主持人已禁止您進入此房間。",
  },
  ROOM_NOT_FOUND: {
    en: "There is no such room, or no longer. Check the link or the code, or ask who invited you.",
    ru: "Такой комнаты нет или больше нет. Проверьте ссылку или код либо спросите того, кто вас пригласил.",
    "zh-Hans": "没有这个房间，或已被删除。请检查链接或代码，或询问邀请您的人。",
    "zh-Hant": "沒有這個房間，或已被刪除。請檢查連結或代碼，或詢問邀請您的人。",
  },
  ROOM_ENDED: {
    en: "This room is over. Ask the host whether it opens again.",
    ru: "Встреча в этой комнате завершена. Спросите организатора, откроется ли она снова.",
    "zh-Hans": "此房间已结束。请询问主持人是否会再次开放。",
    "zh-Hant": "此房間已結束。請詢問主持人是否會再次開放。",
  },
  LOBBY_FULL: {
    en: "Too many people wait already. Try again in a moment.",
    ru: "Ожидающих уже слишком много. Повторите попытку чуть позже.",
    "zh-Hans": "等候的人已满。请稍后重试。",
    "zh-Hant": "等候的人已滿。請稍後重試。",
  },
  LECTURE_NOT_FOUND: {
    en: "There is no such lecture, or it was erased.",
    ru: "Такой лекции нет, или она удалена.",
    "zh-Hans": "没有这个讲座，或已被删除。",
    "zh-Hant": "沒有這個講座，或已被刪除。",
  },
  SEGMENT_CHANGED: {
    en: "Somebody else corrected this meanwhile. Read what they wrote, then correct it again.",
    ru: "Кто-то уже исправил этот фрагмент. Прочитайте новый текст и исправьте его снова.",
    "zh-Hans": "其他人已修改此段。请先阅读新内容，再进行修改。",
    "zh-Hant": "其他人已修改此段。請先閱讀新內容，再進行修改。",
  },
  NOT_YET: {
    en: "This is not made yet. Come back in a minute.",
    ru: "Это ещё не готово. Зайдите через минуту.",
    "zh-Hans": "尚未生成。请稍后再来。",
    "zh-Hant": "尚未產生。請稍後再來。",
  },
  RATE_LIMITED: {
    en: "Too many attempts. Wait a little, then try again.",
    ru: "Слишком много попыток. Немного подождите и повторите.",
    "zh-Hans": "尝试次数过多。请稍候再试。",
    "zh-Hant": "嘗試次數過多。請稍候再試。",
  },
  INTERNAL: {
    en: "Something went wrong on our side. Try again; if it happens again, tell whoever runs this service.",
    ru: "На нашей стороне произошла ошибка. Повторите попытку; если не поможет, сообщите администратору.",
    "zh-Hans": "服务出现错误。请重试；如仍出错，请告知管理员。",
    "zh-Hant": "服務發生錯誤。請重試；如仍出錯，請告知管理員。",
  },
  LIVEKIT_UNAVAILABLE: {
    en: "The media server does not answer. Try again in a moment.",
    ru: "Медиасервер не отвечает. Повторите попытку чуть позже.",
    "zh-Hans": "媒体服务器没有响应。请稍后重试。",
    "zh-Hant": "媒體伺服器沒有回應。請稍後重試。",
  },
  UNAVAILABLE: {
    en: "The database does not answer. Try again in a moment.",
    ru: "База данных не отвечает. Повторите попытку чуть позже.",
    "zh-Hans": "数据库没有响应。请稍后重试。",
    "zh-Hant": "資料庫沒有回應。請稍後重試。",
  },
  OIDC_EXPIRED: {
    en: "That took too long, or went through another window. Begin again.",
    ru: "Прошло слишком много времени или использовано другое окно. Начните снова.",
    "zh-Hans": "用时过长，或使用了其他窗口。请重新开始。",
    "zh-Hant": "用時過長，或使用了其他視窗。請重新開始。",
  },
  OIDC_DENIED: {
    en: "The provider did not let you in. Begin again, or log in with a password.",
    ru: "Провайдер вас не пропустил. Начните снова или войдите с паролем.",
    "zh-Hans": "身份提供方拒绝了登录。请重新开始，或使用密码登录。",
    "zh-Hant": "身分提供者拒絕了登入。請重新開始，或使用密碼登入。",
  },
  OIDC_UNAVAILABLE: {
    en: "The provider does not answer. Try again in a moment, or log in with a password.",
    ru: "Провайдер не отвечает. Повторите попытку чуть позже или войдите с паролем.",
    "zh-Hans": "身份提供方没有响应。请稍后重试，或使用密码登录。",
    "zh-Hant": "身分提供者沒有回應。請稍後重試，或使用密碼登入。",
  },
  EMAIL_UNVERIFIED: {
    en: "The provider gives no verified address for you. Have it verified there, then begin again.",
    ru: "У провайдера нет вашего подтверждённого адреса. Подтвердите его там и начните снова.",
    "zh-Hans": "身份提供方没有您的已验证邮箱。请先完成验证，再重新开始。",
    "zh-Hant": "身分提供者沒有您的已驗證信箱。請先完成驗證，再重新開始。",
  },
  EMAIL_DOMAIN_REFUSED: {
    en: "Addresses of your domain may not come here. Ask whoever runs this service.",
    ru: "Адреса вашего домена здесь не принимаются. Обратитесь к администратору.",
    "zh-Hans": "此处不接受您邮箱所属的域。请联系管理员。",
    "zh-Hant": "此處不接受您信箱所屬的網域。請聯絡管理員。",
  },
};
