/** The words of the element in each language: those of the fixed words around emails. */

/** By language: the words, one a line, in the order of `InboxWords`. */
export const translations: Readonly<Record<string, string>> = {
  en: `Notifications
{n} unread
Unread
Mark all as read
All notifications are marked as read
Mark as read
Mark as unread
Archive
Archived
Show all
Load more
Close
Loading…
No notifications
The notifications could not be loaded
Try again
You are signed out
Not up to date, connecting…
That did not work. Try again
New notification: {title}`,
  de: `Benachrichtigungen
{n} ungelesen
Ungelesen
Alle als gelesen markieren
Alle Benachrichtigungen sind als gelesen markiert
Als gelesen markieren
Als ungelesen markieren
Archivieren
Archiviert
Alles anzeigen
Mehr laden
Schließen
Wird geladen…
Keine Benachrichtigungen
Die Benachrichtigungen konnten nicht geladen werden
Erneut versuchen
Sie sind abgemeldet
Nicht aktuell, Verbindung wird hergestellt…
Das hat nicht geklappt. Versuchen Sie es erneut
Neue Benachrichtigung: {title}`,
  fr: `Notifications
{n} à lire
À lire
Tout marquer comme lu
Toutes les notifications sont marquées comme lues
Marquer comme lue
Marquer comme non lue
Archiver
Notification archivée
Tout afficher
Afficher plus
Fermer
Chargement…
Aucune notification
Impossible de charger les notifications
Réessayer
Vous êtes déconnecté
Pas à jour, connexion en cours…
L’opération a échoué. Réessayez
Nouvelle notification : {title}`,
  es: `Notificaciones
{n} sin leer
Sin leer
Marcar todo como leído
Todas las notificaciones están marcadas como leídas
Marcar como leída
Marcar como no leída
Archivar
Notificación archivada
Mostrar todo
Cargar más
Cerrar
Cargando…
No hay notificaciones
No se han podido cargar las notificaciones
Reintentar
Ha cerrado la sesión
No está al día, conectando…
No ha funcionado. Inténtelo de nuevo
Nueva notificación: {title}`,
  pt: `Notificações
{n} por ler
Por ler
Marcar tudo como lido
Todas as notificações estão marcadas como lidas
Marcar como lida
Marcar como não lida
Arquivar
Notificação arquivada
Mostrar tudo
Carregar mais
Fechar
A carregar…
Sem notificações
Não foi possível carregar as notificações
Tentar novamente
A sua sessão terminou
Desatualizado, a ligar…
Não funcionou. Tente novamente
Nova notificação: {title}`,
  it: `Notifiche
{n} da leggere
Da leggere
Segna tutto come letto
Tutte le notifiche sono segnate come lette
Segna come letta
Segna come da leggere
Archivia
Notifica archiviata
Mostra tutto
Carica altro
Chiudi
Caricamento…
Nessuna notifica
Impossibile caricare le notifiche
Riprova
La sessione è terminata
Non aggiornato, connessione in corso…
Non ha funzionato. Riprova
Nuova notifica: {title}`,
  nl: `Meldingen
{n} ongelezen
Ongelezen
Alles als gelezen markeren
Alle meldingen zijn als gelezen gemarkeerd
Als gelezen markeren
Als ongelezen markeren
Archiveren
Gearchiveerd
Alles tonen
Meer laden
Sluiten
Laden…
Geen meldingen
De meldingen konden niet worden geladen
Opnieuw proberen
U bent afgemeld
Niet actueel, bezig met verbinden…
Dat is niet gelukt. Probeer het opnieuw
Nieuwe melding: {title}`,
  pl: `Powiadomienia
Nieprzeczytane: {n}
Nieprzeczytane
Oznacz wszystko jako przeczytane
Wszystkie powiadomienia oznaczono jako przeczytane
Oznacz jako przeczytane
Oznacz jako nieprzeczytane
Archiwizuj
Zarchiwizowano
Pokaż całość
Wczytaj więcej
Zamknij
Wczytywanie…
Brak powiadomień
Nie udało się wczytać powiadomień
Spróbuj ponownie
Sesja została zakończona
Nieaktualne, trwa łączenie…
Nie udało się. Spróbuj ponownie
Nowe powiadomienie: {title}`,
  ja: `通知
未読 {n} 件
未読
すべて既読にする
すべての通知を既読にしました
既読にする
未読にする
アーカイブ
アーカイブしました
すべて表示
さらに読み込む
閉じる
読み込み中…
通知はありません
通知を読み込めませんでした
再試行
サインアウトしています
最新ではありません。接続しています…
できませんでした。もう一度お試しください
新しい通知：{title}`,
  'zh-Hans': `通知
{n} 条未读
未读
全部标为已读
所有通知均已标为已读
标为已读
标为未读
归档
已归档
显示全部
加载更多
关闭
正在加载…
没有通知
无法加载通知
重试
您已退出登录
内容可能不是最新的，正在连接…
操作未成功，请重试
新通知：{title}`,
  ar: `الإشعارات
غير مقروء: {n}
غير مقروء
تعليم الكل كمقروء
تم تعليم كل الإشعارات كمقروءة
تعليم كمقروء
تعليم كغير مقروء
أرشفة
تمت الأرشفة
عرض الكل
تحميل المزيد
إغلاق
جارٍ التحميل…
لا توجد إشعارات
تعذّر تحميل الإشعارات
إعادة المحاولة
لقد سجّلت الخروج
غير محدَّث، جارٍ الاتصال…
لم تنجح العملية. أعد المحاولة
إشعار جديد: {title}`,
  he: `התראות
לא נקראו: {n}
לא נקראה
סימון הכול כנקרא
כל ההתראות סומנו כנקראו
סימון כנקראה
סימון כלא נקראה
העברה לארכיון
הועברה לארכיון
הצגת הכול
טעינת עוד
סגירה
בטעינה…
אין התראות
לא ניתן לטעון את ההתראות
ניסיון נוסף
התנתקת מהמערכת
לא מעודכן, מתחבר…
הפעולה לא הצליחה. יש לנסות שוב
התראה חדשה: {title}`,
};
