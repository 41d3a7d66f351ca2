// Which path leads to which page. Each page is a script of its own, fetched when it is opened.
import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { Suspense } from "react";
import { Route, Switch, useLocation } from "wouter";
import { ApiError } from "./api/error.js";
import { HomePage } from "./pages/home/home.js";
import { MissingPage } from "./pages/missing/missing.js";
import { sessionEnded } from "./session/session.js";
import { Broken } from "./ui/broken.js";
import { lazyPage } from "./ui/lazy-page.js";
import { PageLoading } from "./ui/page.js";
import { Toasts } from "./ui/toast.js";

const LivePage = lazyPage(() => import("./pages/home/live.js"));
const JoinPage = lazyPage(() => import("./pages/join/join.js"));
const RoomPage = lazyPage(() => import("./pages/room/room.js"));
const LoginPage = lazyPage(() => import("./pages/login/login.js"));
const RegisterPage = lazyPage(() => import("./pages/register/register.js"));
const SetupPage = lazyPage(() => import("./pages/register/setup.js"));
const LecturesPage = lazyPage(() => import("./pages/lectures/lectures.js"));
const LecturePage = lazyPage(() => import("./pages/lecture/lecture.js"));
const AdminPage = lazyPage(() => import("./pages/admin/admin.js"));

export function App() {
  const [path] = useLocation();
  return (
    <QueryClientProvider client={queries}>
      <Broken key={path}>
        <Suspense fallback={<PageLoading />}>
          <Switch>
            <Route path="/" component={HomePage} />
            <Route path="/live" component={LivePage} />
            <Route path="/join/:code" component={JoinPage} />
            <Route path="/room/:code" component={RoomPage} />
            <Route path="/login" component={LoginPage} />
            <Route path="/register" component={RegisterPage} />
            <Route path="/setup" component={SetupPage} />
            <Route path="/lectures" component={LecturesPage} />
            <Route path="/lectures/:id">{({ id }) => <LecturePage key={id} id={id} />}</Route>
            <Route path="/admin" component={AdminPage} />
            <Route component={MissingPage} />
          </Switch>
        </Suspense>
      </Broken>
      <Toasts />
    </QueryClientProvider>
  );
}

const queries: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (error instanceof ApiError && error.code === "UNAUTHENTICATED") sessionEnded(queries);
    },
  }),
  defaultOptions: {
    // What the service refuses once it refuses again; a call that got lost is worth another.
    queries: { networkMode: "always", staleTime: 5_000, retry: isWorthAnother },
    mutations: { networkMode: "always" },
  },
});

function isWorthAnother(failures: number, error: Error): boolean {
  const isPassing = error instanceof ApiError && ["UNREACHABLE", "UNAVAILABLE"].includes(error.code);
  return isPassing && failures < 1;
}
